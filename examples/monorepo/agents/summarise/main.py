from libs.text.words import keywords, sentences


def main(
    text="Sandboxes are cheap. A sandbox is never used twice. Nobody likes meetings. A sandbox has a policy.",
):
    """The sentence of a text that has most of its keywords in it."""
    wanted = set(keywords(text))
    return max(sentences(text), key=lambda sentence: sum(word in sentence.lower() for word in wanted))
