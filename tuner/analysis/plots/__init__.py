"""The pictures of a sweep. Every plot takes ``Results`` and gives a matplotlib ``Figure``; ``style.svg`` writes it out.

A plot gives None where its data are missing, so that a report leaves it out.
"""
