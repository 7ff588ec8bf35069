"""From a config to the object it describes."""

import fiddle as fdl


def construct(config: fdl.Buildable):
    """Builds a config; errors come as they were raised.

    Fiddle appends to the message of an error which part of the config it met it in.
    Here that becomes a note, which tracebacks show and messages to users do not.

    Args:
      config: of any class or function; a `fdl.Partial` gives a function.

    Returns:
      What that class or function returns.
    """
    try:
        return fdl.build(config)
    except Exception as error:
        raised = getattr(error, "proxy_base_exception", None)
        if raised is None:
            raise
        raised.add_note(error.proxy_message.strip())  # pyright: ignore
        raise raised from None
