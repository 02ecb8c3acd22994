from libs.text.words import keywords


def main(goal="Find papers on sandboxes, read papers, compare sandboxes"):
    """Steps towards a goal."""
    return [f"look up {word}" for word in keywords(goal, 2)]
