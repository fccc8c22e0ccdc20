"""A page as a careful reader sees it: well-formed, named for those who do not see it, and nothing inline."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "input", "img", "source", "br"}


class Page(HTMLParser):
    """``links`` is every address in it, ``forms`` each form's (method, action, names of its fields), ``faults`` what
    is wrong with it, ``text`` what it says."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.links, self.forms, self.faults, self.text, self.ids, self.tables = [], [], [], "", [], []
        self._open, self._labels, self._inputs = [], set(), []
        self.feed(html)
        self.close()
        if not html.startswith("<!doctype html>"):
            self.faults.append("no doctype")
        if self._open:
            self.faults.append(f"not closed: {self._open}")
        self.faults += [f"id {one} twice" for one in {one for one in self.ids if self.ids.count(one) > 1}]
        self.faults += [f"no label for {one}" for one in self._inputs if one not in self._labels]
        self.faults += [f"table without caption or head: {table}" for table in self.tables if len(table) < 2]

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if len(given) < len(attributes):
            self.faults.append(f"<{tag}> has an attribute twice")
        self.faults += [f"<{tag} {name}>" for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.faults.append(f"inline <{tag}>")
        self.links += [given[name].split()[0] for name in ("href", "src", "srcset", "action") if given.get(name)]
        self.ids += [given["id"]] if "id" in given else []
        if tag == "form":
            self.forms.append((given.get("method", "get"), given["action"], []))
        if tag == "input":
            self.forms[-1][2].append(given.get("name"))
        if tag in ("input", "select") and given.get("type") != "hidden" and "hidden" not in given:
            self._inputs.append(given.get("id"))
        if tag == "label":
            self._labels.add(given.get("for"))
        needs = {"img": "alt", "th": "scope", "button": "type", "svg": "aria-label", "html": "lang"}
        if tag in needs and needs[tag] not in given:
            self.faults.append(f"<{tag}> without {needs[tag]}")
        if tag == "table":
            self.tables.append(set())
        if tag in ("caption", "thead"):
            self.tables[-1].add(tag)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> closes something else")

    def handle_data(self, data):
        if self._open and self._open[-1] == "script" and data.strip():
            self.faults.append("a script in the page")
        self.text += data
