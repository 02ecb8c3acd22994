from libs.text.words import words

DICTIONARY = {"good": "gut", "morning": "Morgen", "world": "Welt"}


def main(text="Good morning world"):
    """A translation, word by word."""
    return " ".join(DICTIONARY.get(word, word) for word in words(text))
