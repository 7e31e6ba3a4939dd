"""The decision. Nothing here knows of the host, so Python tests it as it is."""


def problems(config):
    """What is wrong with a configuration beyond what the schema can say: JSON Pointers into it, with texts."""
    but = config.get("but", [])
    return [(f"/but/{but.index('')}", "an id can't be empty")] if "" in but else []


def keeps(sender_id, is_bot, config):
    """Whether what this sender wrote is kept; None is nobody."""
    return sender_id is None or not is_bot or sender_id in config.get("but", [])
