"""``kubectl enj``: jobs from a terminal or a script.

``main`` knows the commands; ``tables`` and ``status_view`` say what is shown, as pure
functions; ``painting`` writes it. A command imports what it needs when it runs: a person
waits for the first line.
"""
