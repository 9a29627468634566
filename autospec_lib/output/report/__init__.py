"""The report: a page for the browser, a table of all sources, and a file of data for each source.

Everything is loaded by script tags, because a page that is opened from disk may not read files
otherwise. ``page/`` holds the page itself, which is the same for every run.
"""
