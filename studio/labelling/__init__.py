"""Labels by machine: what a model hears, offered as a label or held against the one that stands there."""
