"""What becomes of an exception that nothing expected."""

import functools

from componentize_py_types import Err
from wit_world.imports.types import ConfigError


def told(call):
    """Ends the call with the exception's text and the places that it came through. Without this the module traps, and the trap says neither: Python looks for the
    source files to print it, and a module has no files. (What a module says when it gives up is kept sealed, as message text is.)"""

    @functools.wraps(call)
    def within(*arguments):
        try:
            return call(*arguments)
        except Err:
            raise
        except Exception as error:
            text = places(error)
        # Outside of the handler, so that the contract's error does not carry the other along.
        raise Err([ConfigError("", text)] if call.__name__ == "configure" else text)

    return within


def places(error):
    lines = [f"{type(error).__name__}: {error}"]
    at = error.__traceback__
    while at is not None:
        code = at.tb_frame.f_code
        if code.co_name != "within":
            lines.append(f"at {code.co_filename.rpartition('/')[2]}:{at.tb_lineno} in {code.co_name}")
        at = at.tb_next
    return ", ".join(lines)
