"""What the starter model knows: business phone phrases, digit strings and plain command words.

Everything here is readable data and one seeded generator; no heavy imports, so prompt scripts and the page
may use the same vocabulary. A digit string is *written* unspaced (`order number 1296803`) and *said* digit by
digit.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from itertools import pairwise

from studio.text import DIGIT_NAMES, digits_to_words


def _phrases(listed: str) -> tuple[str, ...]:
    return tuple(phrase.strip() for phrase in re.split(r"[|\n]", listed) if phrase.strip())


IN_WORDS = "in words"  # the spoken cue after which the starter writes digit names as words

IDENTIFIERS = _phrases("""
    order number | location code | invoice number | account number | ticket number | part number
    customer number | room number | flight number | zip code | the code is | order | invoice
    check order number | cancel order number | confirm order number | your order number is
    my order number is | my account number is | the new location code is | please confirm location code
    gate | extension | open ticket | close ticket | find part number | send it to location
""")
PHONES = _phrases("""
    phone number | my phone number is | my number is | call me back at | please call | dial | call
    her number is | his number is | the office number is
""")
PAIRS = _phrases("""
    order {} to location {} | send order {} to location {} | move order {} to gate {}
    invoice {} for order {} | ticket {} for account {} | part number {} for order {}
    call {} extension {} | transfer {} to extension {}
    order {} and order {} | order number {} location code {} | room {} at gate {}
""")
DATED = _phrases("""
    invoice {} is due on {} | order {} is due on {} | order {} will arrive on {}
    ticket {} was closed on {}
""")
DAYS = _phrases("""
    monday | tuesday | wednesday | thursday | friday | saturday | sunday | the first | the second
    the third | the fourth | the fifth
""")
AFTER_DIGITS = _phrases("please | please | please | is late | is ready | is missing | thank you")
DIGIT_NAME_PHRASES = _phrases("press {} for sales | press {} for support | line {} is busy | line {} is open")
NAME_PHRASES = _phrases("call {} | this is {} | my name is {} | send it to {} | message for {} | {} is calling")
NAMES = _phrases("""
    anna | ben | carla | david | emma | frank | gina | harry | ivan | julia | kevin | laura | mark | nina
    oscar | paula | quentin | robert | sofia | thomas | ulrich | vera | walter | xavier | yvonne | zoe
    boston | chicago | dallas | london | paris | berlin | madrid | oslo
""")
PHRASES = _phrases("""
    yes | no | stop | start | continue | cancel | repeat | help | hello | goodbye | thank you | thanks
    good morning | good afternoon | good evening | one moment please | hold on please | please hold the line
    please confirm | please confirm my order | confirm the order | confirm the address | confirm the payment
    cancel the last order | cancel my order | change my order | change the address | where is my order
    my order is late | my order is missing | your order is ready | what is the order number
    what is the location code | can you repeat that | please repeat the number | repeat the last number
    call me back | call me back tomorrow | call me tomorrow | call the office | call the manager
    transfer the call | transfer me to sales | leave a message | read the message | send the message
    new message | delete the message | send the invoice | please send the invoice | send me the contract
    the invoice is wrong | the payment failed | the payment was received | the delivery is late
    the delivery was missed | the package has arrived | the meeting is on {day} | see you on {day}
    see you tomorrow | call me on {day} | we are closed on {day} | we are open on {day}
    we are open tomorrow | open the door | close the door | open the file | save the file | delete the file
    go back | next page | last page | turn it on | turn it off | louder please | speak slowly please
    that is correct | that is wrong | that is all | not yet | no problem | today | tomorrow | yesterday
    in the morning | in the afternoon | next week | last week | who is calling please | how can i help you
    i will call you back | i have a question | i need help with my order | i want to cancel my order
    what is my account number | the system is down | restart the system | check the stock | check the price
    what is the price | print the label | the label is missing | close the ticket | book a room
    customer service | technical support | double check the number | have a nice day | you are welcome
""")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of the domain: how it is written, and what a person says (commas are short pauses)."""

    text: str
    spoken: str


def vocabulary() -> tuple[str, ...]:
    """Every word that is written as one token: digit names and the words of all phrases, sorted; names are
    spelled.
    """
    carriers = (*IDENTIFIERS, *PHONES, *PAIRS, *AFTER_DIGITS, IN_WORDS)
    templates = (*DATED, *DIGIT_NAME_PHRASES, *NAME_PHRASES, *PHRASES, *DAYS, *carriers)
    words = {word for phrase in templates for word in phrase.split() if "{" not in word}
    return tuple(sorted(words | {*DIGIT_NAMES, "oh", "double"}))


def spoken(text: str, rng: random.Random | None = None) -> str:
    """The words a person says for `text`: digits by name, in groups; with `rng`, a zero is sometimes "oh"."""
    return _DIGITS.sub(lambda match: _say(match.group(), rng), text)


def as_words(text: str) -> str:
    """`text` with every digit written as its name: the other convention (`order number one two nine`)."""
    return digits_to_words(text)


def utterance(rng: random.Random) -> Sentence:
    """Draw one sentence; about 60 % carry digits as digits, 13 % digits as words after the spoken cue."""
    share = rng.random()
    if share < 0.13:
        sentence = with_digits(rng)
        return Sentence(f"{IN_WORDS} {as_words(sentence.text)}", f"{IN_WORDS}, {sentence.spoken}")
    if share < 0.73:
        return with_digits(rng)
    return plain(rng)


def with_digits(rng: random.Random) -> Sentence:
    """Draw a sentence that carries at least one digit string."""
    kind = rng.random()
    if kind < 0.40:
        text = f"{rng.choice(IDENTIFIERS)} {digits(rng, 2, 8)}"
    elif kind < 0.58:
        text = f"{rng.choice(PHONES)} {digits(rng, 7, 7) if rng.random() < 0.5 else digits(rng, 10, 10)}"
    elif kind < 0.72:
        text = rng.choice(PAIRS).format(digits(rng, 3, 6), digits(rng, 2, 5))
    elif kind < 0.78:
        text = rng.choice(DATED).format(digits(rng, 3, 5), rng.choice(DAYS))
    else:
        text = digits(rng, 1, 8)
    if text[-1].isdigit() and not text.isdigit() and rng.random() < 0.1:
        text += f" {rng.choice(AFTER_DIGITS)}"
    return Sentence(text, _paused(spoken(text, rng), rng))


def numbers_prompt(rng: random.Random) -> Sentence:
    """Draw a sentence of the *Numbers* script: order numbers, location codes, phone numbers, and pairs of
    them.
    """
    kind = rng.randrange(10)
    if kind < 3:
        text = f"order number {digits(rng, 7, 7)}"
    elif kind < 6:
        text = f"location code {digits(rng, 6, 6)}"
    elif kind < 8:
        text = f"phone number {digits(rng, 10, 10)}"
    else:
        text = f"order {digits(rng, 5, 5)} to location {digits(rng, 4, 4)}"
    return Sentence(text, spoken(text))


def plain(rng: random.Random) -> Sentence:
    """Draw a phrase without digits; digit names inside it are ordinary words (`line two is busy`)."""
    kind = rng.random()
    if kind < 0.16:
        text = rng.choice(DIGIT_NAME_PHRASES).format(rng.choice(DIGIT_NAMES))
    elif kind < 0.30:
        text = rng.choice(NAME_PHRASES).format(rng.choice(NAMES))
    else:
        text = _phrase(rng)
        if rng.random() < 0.2:
            text += f" {_phrase(rng)}"
    return Sentence(text, text)


def digits(rng: random.Random, fewest: int, most: int) -> str:
    """A digit string of `fewest` to `most` digits; one in five repeats a digit on purpose (models drop
    repeats).
    """
    string = [rng.choice("0123456789") for _ in range(rng.randint(fewest, most))]
    if len(string) > 1 and rng.random() < 0.2:
        place = rng.randrange(1, len(string))
        string[place] = string[place - 1]
    return "".join(string)


def _phrase(rng: random.Random) -> str:
    return rng.choice(PHRASES).format(day=rng.choice(DAYS[:7]))


def _say(string: str, rng: random.Random | None) -> str:
    oh = rng is not None and rng.random() < 0.15  # a speaker says either "oh" or "zero" throughout
    names = ["oh" if digit == "0" and oh else DIGIT_NAMES[int(digit)] for digit in string]
    sizes = _groups(len(string), rng)
    edges = [sum(sizes[:k]) for k in range(len(sizes) + 1)]
    return ", ".join(" ".join(names[a:b]) for a, b in pairwise(edges))


def _groups(length: int, rng: random.Random | None) -> tuple[int, ...]:
    """How a person groups `length` digits: 3-3-4 and 3-4 for phone numbers, sometimes halves for codes."""
    if length == 10:
        return (3, 3, 4)
    if length == 7 and (rng is None or rng.random() < 0.6):
        return (3, 4)
    if length >= 5 and rng is not None and rng.random() < 0.3:
        return (length // 2, length - length // 2)
    return (length,)


def _paused(words: str, rng: random.Random) -> str:
    """Sometimes there is a pause between the carrier phrase and the digits."""
    first = next((k for k, word in enumerate(words.split()) if word.strip(",") in (*DIGIT_NAMES, "oh")), 0)
    if first == 0 or rng.random() > 0.25:
        return words
    parts = words.split()
    return f"{' '.join(parts[:first])}, {' '.join(parts[first:])}"
