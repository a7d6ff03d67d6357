"""How numbers are rewritten: a few choices, each shown before anything is applied."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Digits = Literal["digits", "cardinal"]
Kept = Literal["words", "leave"]
NumberLanguage = Literal["en", "de", "fr", "es"]

_LANGUAGE = "de, fr, es: whole numbers alone, the other rules are for English"


class WordRules(BaseModel):
    """From digits to words. Whatever a rule leaves alone is listed by the validator."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: NumberLanguage = Field(default="en", title="Language", description=_LANGUAGE)
    integers: Digits = Field(default="digits", title="129", description="one two nine, or one hundred and twenty nine")
    grouped: Digits = Field(default="cardinal", title="1,234", description="one two three four, or as a number")
    zero: Literal["zero", "oh"] = Field(default="zero", title="0", description="how a nought among digits is written")
    codes: Literal["digits", "leave"] = Field(default="digits", title="A-12, B52", description="A one two, B five two")
    ordinals: Kept = Field(default="words", title="3rd", description="third")
    decimals: Kept = Field(default="words", title="3.14, 50 %", description="three point one four, fifty percent")
    units: Kept = Field(default="leave", title="5 km", description="the unit: five km, or five kilometers")
    money: Kept = Field(default="leave", title="$5.20", description="five dollars and twenty cents")
    times: Kept = Field(default="leave", title="10:45, 5 pm", description="ten forty five")
    years: Kept = Field(default="leave", title="in 1999", description="nineteen ninety nine, after in, since, May …")
    dates: Literal["digits", "leave"] = Field(default="leave", title="12/05/2026, 1/2", description="digit by digit")


class DigitRules(BaseModel):
    """From words to digits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: NumberLanguage = Field(default="en", title="Language", description=_LANGUAGE)
    one: Literal["leave", "digits"] = Field(default="leave", title="one moment", description="a “one” by itself")
    repeats: Literal["digits", "leave"] = Field(
        default="digits", title="double five", description="55; triple seven: 777"
    )
    cardinals: Literal["digits", "leave"] = Field(
        default="digits", title="twenty five", description="25; two hundred: 200"
    )
    decimals: Literal["digits", "leave"] = Field(default="digits", title="three point one four", description="3.14")
    ordinals: Literal["digits", "leave"] = Field(default="leave", title="third", description="3rd")


UNITS = {
    "km/h": "kilometers per hour", "mph": "miles per hour", "km": "kilometers", "cm": "centimeters",
    "mm": "millimeters", "kg": "kilograms", "mg": "milligrams", "ml": "milliliters", "lbs": "pounds", "lb": "pounds",
    "oz": "ounces", "kHz": "kilohertz", "MHz": "megahertz", "GHz": "gigahertz", "Hz": "hertz", "GB": "gigabytes",
    "MB": "megabytes", "kB": "kilobytes", "TB": "terabytes", "dB": "decibels", "kW": "kilowatts",
    "°C": "degrees Celsius", "°F": "degrees Fahrenheit", "°": "degrees", "ms": "milliseconds", "min": "minutes",
    "sec": "seconds", "hrs": "hours", "ft": "feet",
}  # fmt: skip
ATTACHED_UNITS = {"m": "meters", "g": "grams", "l": "liters", "V": "volts", "W": "watts"}  # `5 m` may be anything
CURRENCIES = {"$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny")}
_MONTHS = """
january february march april may june july august september october november december
jan feb mar apr jun jul aug sept sep oct nov dec
"""
BEFORE_YEARS = ("in", "since", "until", "till", "from", "year", "during", "before", "after", *_MONTHS.split())
