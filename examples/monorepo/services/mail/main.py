from libs.text.words import sentences


def main(text="Dear Ada! The build is green. See you."):
    """The subject of a mail: its second sentence."""
    return sentences(text)[1]
