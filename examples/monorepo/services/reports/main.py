from libs.numeric.money import cents
from libs.text.words import keywords

from capsule import task


@task(name="line", compute="LOW")
def line(word):
    return f"{word}: {cents(len(word) * 1.5)}"


@task(name="main", compute="LOW")
def main(text="Paper and ink. Paper for the printer, and ink."):
    """A report over what a text speaks of; each line is made in a sandbox of its own."""
    return [done.unwrap() for done in line.map(keywords(text, 2))]
