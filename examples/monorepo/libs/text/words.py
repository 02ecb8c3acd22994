import re
from collections import Counter

STOP_WORDS = frozenset(
    ("a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "in", "is", "it", "of", "on", "or")
) | {"that", "the", "this", "to", "with"}


def words(text):
    """The words of a text, in lower case."""
    return re.findall(r"[a-zà-ÿ']+", text.lower())


def keywords(text, count=3):
    """The words that a text uses most, without those that every text uses."""
    counted = Counter(word for word in words(text) if word not in STOP_WORDS)
    return [word for word, _ in sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:count]]


def sentences(text):
    """The sentences of a text."""
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+", text) if part.strip()]
