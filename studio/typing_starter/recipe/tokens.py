"""The tokenizer: a frequent word is one token, any other word its characters.

So a misspelled word looks unlike a right one, the copy of a right one is one step, and names and numbers are copied
character by character. It is a BPE without merges of letters that takes whole words from its vocabulary first.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SPECIAL = ("<pad>", "<typed>", "<meant>", "</s>")
WORD = r" ?[A-Za-z]+(?:'(?!s\b)[A-Za-z]+)*|'s\b"  # “don't” is one word; “Anna's” is a name and its ending
SPACE = "Ġ"  # how a byte-level vocabulary writes a space
_OFTEN = 2  # sightings in the corpus that make a word
_OWN_WEIGHT = 20_000.0  # one sighting in the corpus counts as much as this many in books


def vocabulary(written: Mapping[str, int], frequencies: Mapping[str, int], size: int, capitals: int) -> list[str]:
    """The words that get a token, each with its space: lower-case ones by frequency, and the commonest capitalised."""
    lower, upper = Counter[str](), Counter[str]()
    for word, count in written.items():
        if word.islower():
            lower[word] += count
        elif word[0].isupper() and (len(word) == 1 or word[1:].islower()):
            upper[word] += count
    known = {word: count * _OWN_WEIGHT + frequencies.get(word, 0) for word, count in lower.items()}
    for word, count in frequencies.items():
        known.setdefault(word, count)
    sound = {word for word in known if len(word) > 1 or word == "a"}
    sound -= {word for word in sound if word not in frequencies and "'" not in word}
    best = sorted(sound, key=lambda word: (-known[word], word))
    first = [word for word, _ in upper.most_common(capitals)]
    return [SPACE + word for word in (*first, *best[: size - len(first)])]


def word_list(written: Mapping[str, int], frequencies: Mapping[str, int]) -> list[str]:
    """Every word that counts as one, the commonest first: those of books, and those that these texts have often."""
    found = dict(frequencies)
    for word, count in written.items():
        if word.islower() and count >= _OFTEN:
            found[word] = max(found.get(word, 0), int(count * _OWN_WEIGHT * (10 if "'" in word else 1)))
    sound = (word for word in found if len(word) > 1 or word in "ai")
    return sorted(sound, key=lambda word: (-found[word], word))


def tokenizer(words: list[str]) -> Any:
    """The `tokenizers` object with `words`."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    letters = [chr(code) for code in (*range(65, 91), *range(97, 123))]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*SPECIAL, *alphabet, *(SPACE + letter for letter in letters), "'s", *words]
    ids = {piece: place for place, piece in enumerate(dict.fromkeys(pieces))}
    merges = [(SPACE, letter) for letter in letters]
    found = Tokenizer(models.BPE(vocab=ids, merges=merges, ignore_merges=True))
    found.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORD), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    found.decoder = decoders.ByteLevel()
    found.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIAL])
    return found


def save(found: Any, folder: Path) -> None:
    """Write what `transformers.AutoTokenizer` loads."""
    folder.mkdir(parents=True, exist_ok=True)
    found.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<pad>",
        "bos_token": "<typed>",
        "eos_token": "</s>",
        "clean_up_tokenization_spaces": False,
        "model_max_length": 512,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
