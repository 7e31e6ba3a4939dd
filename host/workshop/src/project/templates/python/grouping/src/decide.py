"""The decision. Nothing here knows of the host, so Python tests it as it is."""


def email_of(sender_id, name, is_bot, config):
    """Key and title of the e-mail that what this sender wrote goes into. The same events have to give the same key in every run."""
    if is_bot and config.get("bots") == "together":
        return "bots", "Bots"
    return sender_id, name
