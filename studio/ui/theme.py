"""Gradio's own widgets in the studio's colours: every colour is a token of `assets/studio.css`."""

from __future__ import annotations

from gradio.themes import Base, colors, sizes
from gradio.themes.utils.fonts import Font, LocalFont

WEIGHTS = (400, 700)  # Gradio ships Plex whole in these; its semi-bold lacks most letters
SANS: list[Font | str] = [LocalFont("IBM Plex Sans", WEIGHTS), "ui-sans-serif", "system-ui", "sans-serif"]
MONO: list[Font | str] = [LocalFont("IBM Plex Mono", WEIGHTS), "ui-monospace", "monospace"]

PAGE_COLOURS = {"body_background_fill": "#f5f7fa", "body_background_fill_dark": "#0c1320"}
"""The only colours said twice (`--st-page`): Gradio paints them before any style sheet has come."""

TOKENS = {
    "body_text_color": "var(--st-ink)",
    "body_text_color_subdued": "var(--st-quiet)",
    "background_fill_primary": "var(--st-panel)",
    "background_fill_secondary": "var(--st-sunken)",
    "border_color_primary": "var(--st-line)",
    "border_color_accent": "var(--st-accent)",
    "color_accent": "var(--st-accent)",
    "color_accent_soft": "var(--st-accent-soft)",
    "link_text_color": "var(--st-accent)",
    "link_text_color_hover": "var(--st-accent)",
    "link_text_color_active": "var(--st-accent)",
    "link_text_color_visited": "var(--st-accent)",
    "block_background_fill": "var(--st-panel)",
    "block_border_color": "var(--st-line)",
    "block_label_background_fill": "var(--st-panel)",
    "block_label_text_color": "var(--st-quiet)",
    "block_label_border_color": "var(--st-line)",
    "block_title_text_color": "var(--st-ink)",
    "block_info_text_color": "var(--st-quiet)",
    "panel_background_fill": "var(--st-panel)",
    "panel_border_color": "var(--st-line)",
    "input_background_fill": "var(--st-field)",
    "input_background_fill_focus": "var(--st-field)",
    "input_border_color": "var(--st-edge)",
    "input_border_color_focus": "var(--st-accent)",
    "input_placeholder_color": "var(--st-quiet)",
    "input_shadow": "none",
    "input_shadow_focus": "0 0 0 2px var(--st-ring)",
    "button_primary_background_fill": "var(--st-accent)",
    "button_primary_background_fill_hover": "var(--st-accent-strong)",
    "button_primary_border_color": "var(--st-accent)",
    "button_primary_text_color": "var(--st-on-accent)",
    "button_secondary_background_fill": "var(--st-panel)",
    "button_secondary_background_fill_hover": "var(--st-sunken)",
    "button_secondary_border_color": "var(--st-edge)",
    "button_secondary_text_color": "var(--st-ink)",
    "button_cancel_background_fill": "var(--st-panel)",
    "button_cancel_background_fill_hover": "var(--st-bad-soft)",
    "button_cancel_border_color": "var(--st-bad)",
    "button_cancel_text_color": "var(--st-bad)",
    "checkbox_background_color": "var(--st-field)",
    "checkbox_background_color_selected": "var(--st-accent)",
    "checkbox_border_color": "var(--st-edge)",
    "checkbox_border_color_selected": "var(--st-accent)",
    "checkbox_label_background_fill": "var(--st-panel)",
    "checkbox_label_background_fill_hover": "var(--st-sunken)",
    "checkbox_label_background_fill_selected": "var(--st-accent-soft)",
    "checkbox_label_text_color": "var(--st-ink)",
    "checkbox_label_text_color_selected": "var(--st-ink)",
    "slider_color": "var(--st-accent)",
    "table_even_background_fill": "var(--st-panel)",
    "table_odd_background_fill": "var(--st-panel)",
    "table_border_color": "var(--st-line)",
    "table_text_color": "var(--st-ink)",
    "code_background_fill": "var(--st-sunken)",
    "error_background_fill": "var(--st-bad-soft)",
    "error_border_color": "var(--st-bad)",
    "error_text_color": "var(--st-bad)",
    "error_icon_color": "var(--st-bad)",
    "stat_background_fill": "var(--st-accent)",
}
"""Gradio's variables in terms of the studio's; these change with light and dark: both names get the same."""

SHAPES = {
    "block_border_width": "1px",
    "block_shadow": "none",
    "block_title_text_weight": "600",
    "block_label_text_weight": "600",
    "button_large_text_weight": "600",
    "button_medium_text_weight": "600",
    "button_border_width": "1px",
    "button_transition": "none",
    "input_border_width": "1px",
}


def theme() -> Base:
    """Teal on slate, in a typeface that Gradio itself ships: nothing is fetched from anywhere."""
    base = Base(
        primary_hue=colors.teal,
        secondary_hue=colors.teal,
        neutral_hue=colors.slate,
        radius_size=sizes.radius_md,
        text_size=sizes.text_md,
        font=SANS,
        font_mono=MONO,
    )
    dark = {f"{name}_dark": value for name, value in TOKENS.items() if hasattr(base, f"{name}_dark")}
    base.set(**TOKENS, **dark, **SHAPES, **PAGE_COLOURS)
    return base
