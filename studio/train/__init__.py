"""Fine-tuning: `finetune.run` is the whole run, `loop.fit` the loop, `checkpoint` makes a resume exact."""
