"""Messages as people type them, from a small grammar: what encyclopaedias and handbooks lack."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from types import MappingProxyType


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


NAMES = _listed(
    "Anna Ben Carla David Emma Felix Grace Henry Iris Jack Kim Laura Max Nina Oscar Paul Rosa Sam Tina Tom Maria Peter "
    "Julia Daniel Sarah Michael Lucy Mark Helen Ahmed Yuki Ivan Chen Priya Omar Lena Hugo Clara Simon Alice"
)
SLOTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "name": NAMES,
        "day": _listed("Monday Tuesday Wednesday Thursday Friday Saturday Sunday tomorrow tonight today"),
        "month": _listed("January February March April June July August September October November December"),
        "time": ("5", "9", "10 o'clock", "noon", "half past six", "8:30", "14:15", "lunchtime", "3 pm", "7 am"),
        "place": (
            "the office", "the station", "home", "school", "the airport", "the park", "the hotel", "the restaurant",
            "London", "Berlin", "Paris", "New York", "Boston", "the library", "the shop", "the meeting room",
        ),
        "thing": (
            "report", "email", "invoice", "contract", "picture", "file", "message", "address", "ticket", "key",
            "phone number", "password", "list", "recipe", "book", "document", "presentation", "order", "package",
            "letter", "spreadsheet", "draft", "receipt", "calendar", "agenda", "address book", "schedule",
        ),
        "verb": (
            "send", "read", "check", "print", "forward", "sign", "finish", "review", "copy", "update", "change",
            "correct", "delete", "find", "bring", "share", "translate", "return", "order", "book",
        ),
        "food": ("bread", "milk", "coffee", "some cheese", "rice", "vegetables", "a cake", "pizza", "eggs", "fruit"),
        "adjective": (
            "late", "early", "busy", "tired", "sorry", "happy", "ready", "sure", "surprised", "interested", "sick",
            "available", "free", "worried", "excited", "disappointed", "grateful",
        ),
        "number": ("2", "3", "12", "25", "40", "150", "2024", "1998", "64", "700", "1,200", "3.5"),
        "link": _listed("www.example.org https://example.com/a/17 info@example.org anna.b@example.net report_v2.pdf"),
    }
)  # fmt: skip
PATTERNS = (
    "Can you {verb} the {thing} by {day}?",
    "Could you please {verb} the {thing} before {time}?",
    "I'll be there at {time}.",
    "I'm running a bit late, see you at {time}.",
    "Sorry, I can't come {day}, I'm {adjective}.",
    "Thanks for the {thing}, {name}!",
    "Thank you very much for your help with the {thing}.",
    "Do you know where the {thing} is?",
    "I think {name} has already {verb} the {thing}.",
    "Let's meet at {place} on {day}.",
    "Don't forget to {verb} the {thing}.",
    "Please don't {verb} the {thing} yet, it isn't finished.",
    "We need {food} and {food}.",
    "What time does the train leave for {place}?",
    "Are you coming to {place} with us?",
    "He said that he would {verb} it on {day}.",
    "She doesn't want to {verb} the {thing}.",
    "They haven't answered my {thing} yet.",
    "It would be great if you could {verb} this.",
    "How are you? I hope you're not {adjective}.",
    "Have you seen {name} at {place}?",
    "The meeting has been moved to {day} at {time}.",
    "I don't think that's a good idea.",
    "I didn't know that you were {adjective}.",
    "My {thing} doesn't work, could you have a look?",
    "We're going to {place} in {month}.",
    "Happy birthday, {name}! Have a wonderful day.",
    "There are {number} people on the list.",
    "The {thing} costs {number} dollars.",
    "You can find the {thing} at {link}.",
    "My address is {link}, please {verb} the {thing} there.",
    "I've attached the {thing} that you asked for.",
    "Let me know if you have any questions.",
    "Please let me know whether {day} works for you.",
    "I would like to {verb} a {thing} for {number} people.",
    "That sounds good, I'll {verb} it right away.",
    "I was wondering whether you could {verb} my {thing}.",
    "Is it okay if I bring {name}?",
    "We should have {verb} the {thing} earlier.",
    "I'm looking forward to seeing you in {place}.",
    "What do you think about the new {thing}?",
    "Where did you put the {thing}?",
    "Why didn't you tell me that you're {adjective}?",
    "{name} and {name} are waiting at {place}.",
    "No problem, take your time.",
    "I have to work until {time}, but then I'm free.",
    "Would you like some {food}?",
    "It's raining again, so we'll stay at {place}.",
    "The weather is getting better, isn't it?",
    "I really enjoyed the evening with you and {name}.",
    "My flight to {place} was cancelled.",
    "Could we talk about the {thing} on {day}?",
    "I haven't heard from {name} since {month}.",
    "You were right about the {thing}.",
    "They're {adjective} because their {thing} is missing.",
    "Everything's fine here, we'll call you {day}.",
    "Please remember that the {thing} is due on {day}.",
    "Congratulations on your new {thing}!",
    "If you need anything else, just write to me.",
    "I believe we've met before, in {place} perhaps.",
)
_SLOT = re.compile(r"\{(\w+)\}")


def sentence(rng: random.Random) -> str:
    """One message."""
    return _SLOT.sub(lambda match: rng.choice(SLOTS[match[1]]), rng.choice(PATTERNS))
