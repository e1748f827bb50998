#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The documents say what the source says, both ways where it matters."""

import importlib.util
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/lib"))

import tap

DOCS = TOP / "docs"
PAGES = sorted(DOCS.glob("*.md")) + [
    TOP / "README.md", TOP / "CHANGELOG.md", TOP / "ldap-schema/README.md"]
MANUALS = sorted((DOCS / "man").glob("*.[1-8]"))
SOURCE = TOP / "local_scan"
EXIM = TOP / "exim-config/conf.d"

JO = "jo.doe@partner.example"


def text(name):
    return (TOP / name).read_text()


def squeeze(words):
    return re.sub(r"\s+", " ", words)


def tracked():
    """Every file of ours, also those that are not committed yet."""
    if (TOP / ".git").exists():
        done = subprocess.run(
            ["git", "-C", TOP, "ls-files", "-z", "--cached", "--others",
             "--exclude-standard"], check=True, stdout=subprocess.PIPE)
        names = done.stdout.decode().split("\0")
    else:
        names = [str(path.relative_to(TOP)) for path in TOP.rglob("*")
                 if path.relative_to(TOP).parts[0] != "build"
                 and "__pycache__" not in path.parts]
    return [name for name in names if name and (TOP / name).is_file()]


def literals(code):
    """The string literals of a C file; neighbours are joined as in C."""
    code = re.sub(r"/\*.*?\*/|\\\n", "", code, flags=re.S)
    code = re.sub(r"\bJO\b", f'"{JO}"', code)
    found = re.findall(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*', code)
    return ["".join(part[1:-1] for part in
                    re.findall(r'"(?:[^"\\\n]|\\.)*"', literal))
            for literal in found]


def code_spans(page):
    return re.findall(r"`([^`\n]+)`", page)


def rows(page, *columns):
    """The rows of the table with these headings, as lists of cells."""
    heading = "| " + " | ".join(columns) + " |"
    lines = page.split("\n")
    found = []
    for line in lines[lines.index(heading) + 2:]:
        if not line.startswith("|"):
            return found
        cells = re.split(r"(?<!\\) \| ", line.strip("| "))
        found.append([cell.strip().replace("\\|", "|") for cell in cells])
    return found


def plain(cell):
    return cell.strip("`")


class Case(unittest.TestCase):
    def has(self, page, words):
        """As assertIn, without the page in the message."""
        self.assertTrue(words in page, f"not found: {words}")


class Links(Case):
    def test_links_lead_to_files_and_headings_that_exist(self):
        for page in PAGES:
            for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
                if re.match(r"https?:", target):
                    continue
                name, _, anchor = target.partition("#")
                file = (page.parent / name).resolve() if name else page
                self.assertTrue(file.exists(), f"{page.name}: {target}")
                if anchor:
                    self.assertIn(anchor, self.anchors(file),
                                  f"{page.name}: {target}")

    @staticmethod
    def anchors(file):
        headings = re.findall(r"(?m)^#+ (.*)$", file.read_text())
        return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
                for heading in headings}

    def test_every_page_is_reached_from_the_readme(self):
        readme = text("README.md")
        for page in [*DOCS.glob("*.md"), *MANUALS]:
            self.assertIn(f"({page.relative_to(TOP)})", readme)

    def test_paths_of_the_source_in_a_page_exist(self):
        pattern = r"(?<![\w/.])(?:local_scan|exim-config|ldap-schema|tests|docs)/[\w./-]+"
        for page in PAGES:
            # what is installed has directories of the same names
            words = re.sub(r"/\S*/(?:local_scan|exim-config|ldap-schema|"
                           r"docs?)/\S*", "", page.read_text())
            for name in re.findall(pattern, words):
                self.assertTrue((TOP / name.rstrip(".")).exists(),
                                f"{page.name}: {name}")


class Clean(Case):
    """Nothing of the machine it was written on."""

    FORBIDDEN = [
        r"/wor" r"k/(?:main|shared|\.)",
        r"\b(?:deb|snapshot|security|ftp\w*|cdn-aws)\.debia" r"n\.org",
        r"\bpypi\.or" r"g|files\.pythonhosted|registry\.npmj" r"s|crates\.i"
        r"o\b|proxy\.golan" r"g",
        r"\bartifactor" r"y\b|\bnexu" r"s\.",
    ]

    def test_no_path_and_no_registry_of_this_machine(self):
        for name in tracked():
            try:
                content = (TOP / name).read_text()
            except UnicodeDecodeError:
                continue
            for pattern in self.FORBIDDEN:
                self.assertNotRegex(content, pattern, name)


class Make(Case):
    def test_commands_of_the_readme_are_targets(self):
        makefile = text("Makefile") + "".join(
            path.read_text() for path in TOP.glob("*.mk"))
        targets = set()
        for line in re.findall(r"(?m)^([\w -]+):(?!=)", makefile):
            targets |= set(line.split())
        used = set()
        for page in PAGES:
            for words in re.findall(
                    r"(?m)(?:^    |`|&& )make((?: +[^\s`#&]+)*)",
                    page.read_text()):
                used |= {word for word in words.split()
                         if re.fullmatch(r"[a-z][a-z-]*", word)}
        self.assertIn("install", used)
        self.assertLessEqual(used, targets)


class Decisions(Case):
    page = text("docs/decisions.md")

    def replies(self):
        """All that the policy can answer, without the three digits."""
        found = [literal for literal in
                 literals(text("tests/unit/test_decide.c"))
                 if re.match(r"[45]\.\d\.\d ", literal)]
        self.assertGreater(len(found), 15)
        return found

    def sentences(self):
        """Every sentence of the source that can reach a user."""
        found = []
        for name in "decide.c", "gateway.c":
            found += literals(text(f"local_scan/core/{name}"))
        for path in sorted((SOURCE / "exim").glob("*.c")):
            found += [literal for literal in literals(path.read_text())
                      if "takes" not in literal and "knows no" not in literal
                      and not literal.startswith(("outgate: ", "/"))]
        return [literal for literal in found
                if literal.count(" ") >= 1 and "%" not in literal
                and "=" not in literal]

    def test_the_reason_words_are_those_of_the_policy_in_its_order(self):
        code = text("local_scan/core/decide.c")
        words = re.findall(r'return "([a-z-]+)";',
                           code[code.index("og_reason_word"):])
        header = re.findall(r"(?m)^\tOG_WHY_(\w+)",
                            text("local_scan/core/decide.h"))
        self.assertEqual(len(words), len(header))
        table = rows(self.page, "#", "true of the message", "answer",
                     "reason word")
        self.assertEqual([plain(row[3]) for row in table], words)

    def test_every_reply_of_the_policy_is_in_the_page(self):
        for reply in self.replies():
            digits = "451" if reply.startswith("4") else "550"
            self.has(self.page, f"`{digits} {reply}`")

    def test_every_sentence_of_the_source_is_in_the_page(self):
        page = squeeze(self.page)
        for sentence in self.sentences():
            if sentence.startswith("not a gateway verdict") or \
                    sentence in ("out of memory",
                                 "this message has no route",
                                 "the server wanted no login",
                                 # to Exim, which shows them to nobody
                                 "whose connection is it?",
                                 "nobody would watch it",
                                 "no real-time signal is free",
                                 "not a verdict that can be kept"):
                continue
            self.has(page, sentence.strip().removeprefix(": "))

    def test_every_reply_of_the_page_is_in_the_source(self):
        known = {re.sub(r"^(?:[45]\.\d\.\d )?", "", sentence).strip()
                 for sentence in self.sentences()}
        replies = [span for span in code_spans(self.page)
                   if re.match(r"(?:550|451) \d\.\d\.\d ", span)]
        self.assertGreater(len(replies), 15)
        for reply in replies:
            what = re.sub(r"^\d+ \S+ ", "", reply)
            what = what.removeprefix(f"{JO}: ")
            self.assertTrue(
                what in known or
                re.sub(r"^outgate\w+: ", "", what) in known, reply)

    def test_what_a_bounce_says_is_in_its_text(self):
        shown = "The gateway's server refused your login and password"
        self.has(self.page, f"`{shown}`")
        self.has(squeeze(text("exim-config/bounce.txt")), shown)

    def test_every_reply_has_a_reason_of_the_table(self):
        table = rows(self.page, "#", "true of the message", "answer",
                     "reason word")
        words = {plain(row[3]) for row in table}
        for reason, *_ in rows(self.page, "reason", "reply",
                               "who mends it"):
            self.assertIn(plain(reason), words)

    def test_the_words_of_the_log_line_are_those_of_the_source(self):
        code = text("local_scan/exim/scan.c")
        code = code[code.index("log_decision("):code.index("\ndefer(")]
        written = set(re.findall(r"\b([a-z]+)=(?=[%\"])", "".join(
            f'{literal}"' for literal in literals(code))))
        table = rows(self.page, "word", "is")
        shown = set(re.findall(r"`([a-z]+)=`",
                               " ".join(row[0] for row in table)))
        self.assertEqual(shown, written)


class Sealing(Case):
    page = text("docs/sealing.md")

    def sentences(self):
        """What the plug-in tells users, with %s where words are filled in."""
        found = []
        for name in "operation.c", "sealer.c":
            code = text(f"local_scan/slapi/{name}")
            for macro, value in (("OG_HOST_PASSWORD", "outgatePassword"),
                                 ("ADDRESS", "outgateAddress"),
                                 ("OG_SEALED_PREFIX", "{CMS}"),
                                 ("RETYPE", "retype the password: ")):
                code = re.sub(rf"(?<!define )\b{macro}\b", f'"{value}"', code)
            code = re.sub(r'#.*', "", code)
            code = re.sub(r'"\s*"', "", code)
            found += [literal for literal in literals(code)
                      if literal.count(" ") > 2
                      and not literal.endswith(": ")]
        return found

    def test_every_sentence_of_the_plug_in_is_in_the_page(self):
        found = self.sentences()
        self.assertGreater(len(found), 12)
        spans = [squeeze(span) for span in code_spans(self.page)]
        for sentence in found:
            if sentence.startswith("a password cannot be sealed: "):
                continue  # for the log
            form = re.escape(sentence).replace("%s", ".+")
            self.assertTrue(
                any(re.fullmatch(form, span) for span in spans), sentence)

    def test_every_sentence_of_the_page_is_in_the_plug_in(self):
        forms = [re.escape(sentence).replace("%s", ".+")
                 for sentence in self.sentences()]
        told = [plain(row[0]) for row in rows(self.page, "text",
                                              "what to do")]
        self.assertGreater(len(told), 12)
        for sentence in told:
            if sentence.endswith(("is longer than 256 octets",
                                  "like smtp.partner.example")):
                continue  # io/seal.c, core/gateway.c
            self.assertTrue(any(re.fullmatch(form, sentence)
                                for form in forms), sentence)


class Architecture(Case):
    page = text("docs/architecture.md")

    def test_the_map_is_the_tree(self):
        shown = set()
        for cell in re.findall(
                r"(?m)^\| (`(?:local_scan|exim-config|ldap-schema)/[^|]*) \|",
                self.page):
            name, *more = code_spans(cell)
            shown.add(name)
            shown |= {name.rpartition(".")[0] + ending for ending in more}
        here = {name for name in tracked() if name.startswith(
            ("local_scan/", "exim-config/", "ldap-schema/"))}
        self.assertEqual(shown, here)

    def test_the_directories_of_tests_are_all_there(self):
        shown = {plain(row[0]) for row in rows(
            self.page, "directory", "tests")}
        here = {f"tests/{name.split('/')[1]}/" for name in tracked()
                if name.startswith("tests/")}
        self.assertEqual(shown, here)

    def test_the_layers_are_those_that_are_tested(self):
        spec = importlib.util.spec_from_file_location(
            "layers", TOP / "tests/build/test_layers.py")
        layers = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(layers)
        shown = {
            plain(row[0]).rstrip("/"):
            {name.rstrip("/") for name in code_spans(row[1])}
            for row in rows(self.page, "directory", "may include", "holds")}
        self.assertEqual(shown, layers.MAY_INCLUDE)


class Security(Case):
    page = text("docs/security.md")

    def carriers(self):
        return rows(self.page, "no.", "file", "line", "because")

    def test_every_promise_has_something_that_carries_it(self):
        promises = [row[0] for row in rows(self.page, "no.", "promise")]
        self.assertEqual(promises, [f"P{n}" for n in range(1, 11)])
        self.assertEqual({row[0] for row in self.carriers()},
                         set(promises))

    def test_every_quoted_line_is_in_its_file(self):
        for _, file, line, _ in self.carriers():
            self.has(squeeze(text(plain(file))), squeeze(plain(line)))

    def test_what_a_configuration_file_marks_is_in_the_page(self):
        known = {(row[0], plain(row[1])) for row in self.carriers()}
        for path in sorted(EXIM.rglob("*_*")):
            name = str(path.relative_to(TOP))
            # the sentence that explains the marks is none
            words = path.read_text().replace("P1 to P10", "")
            for promise in re.findall(
                    r"\bP\d+\b", "".join(re.findall("#.*", words))):
                self.assertIn((promise, name), known)


class Faults(unittest.TestCase):
    """The page says where each fault is tested."""

    NAME = re.compile(r'test_F(\d+)_|"F(\d+)\b')

    @classmethod
    def setUpClass(cls):
        cls.rows = rows(text("docs/faults.md"), "fault", "what goes wrong",
                        "what has to come of it", "tested in",
                        "what is not shown")

    def numbers(self, name):
        """The numbers that the names of a file's tests begin with."""
        return {int(a or b) for a, b in self.NAME.findall(text(name))}

    def test_every_fault_is_tested_where_the_page_says(self):
        for fault, _, _, where, _ in self.rows:
            self.assertIn(int(fault[1:]), self.numbers(plain(where)), fault)

    def test_every_fault_that_is_tested_is_in_the_page(self):
        known = {int(fault[1:]) for fault, *_ in self.rows}
        for name in tracked():
            if re.fullmatch(r"tests/e2e/test_\w+\.py", name):
                self.assertLessEqual(self.numbers(name), known, name)


class Agent(Case):
    page = text("docs/agent.md")

    def test_the_mail_is_the_one_that_is_sent(self):
        code = text("local_scan/cli/agent_mail.c")
        code = code[code.index("const char og_agent_mail_text[]"):]
        sent, = literals(code[:code.index(";\n")])
        shown, = re.findall(r"(?ms)^```mail\n(.*?)^```$", self.page)
        self.assertEqual(sent.replace("\\n", "\n"), shown)

    def test_every_sentence_for_users_is_in_the_page(self):
        page = squeeze(self.page)
        count = 0
        for name in "agent_check.c", "agent_proof.c":
            code = text(f"local_scan/cli/{name}")
            calls = re.findall(
                r"(?:wrong\(finding,|OG_AGENT_\w+,|return)\s*"
                r'("(?:[^"\\]|\\.|"\s+")*")', code)
            calls += re.findall(r'\{ "another [^"]*", ("[^"]*") \}', code)
            for call in calls:
                sentence = literals(call)[0].replace('\\"', '"')
                pieces = [piece.strip() for piece in
                          re.split(r"%\.?\*?\d*s", sentence)]
                for piece in pieces:
                    if len(piece) > 3:
                        count += 1
                        self.has(page, piece)
        self.assertGreater(count, 25)

    def test_the_page_for_users_has_no_other_sentences(self):
        """What users look up are the agent's sentences"""
        page = squeeze(self.page)
        table = rows(text("docs/send-as.md"), "status",
                     "what it means, and what to do")
        spans = [span for status, _ in table for span in code_spans(status)]
        self.assertGreater(len(spans), 10)
        for span in spans:
            for piece in re.split(r" *\.\.\. *", span):
                self.has(page, piece)


class Macros(Case):
    page = text("docs/install-exim.md")

    def test_the_macros_and_their_defaults_are_those_of_the_configuration(self):
        code = "".join(path.read_text() for path in sorted(EXIM.rglob("*_*"))
                       if "passwd_client" not in path.name)
        asked = re.findall(r"(?m)^\.ifndef (OUTGATE_\w+)$", code)
        default = dict(re.findall(
            r"(?m)^\.ifndef (OUTGATE_\w+)\n\1 = ?(.*)$", code))
        shown = {plain(row[0]): plain(row[2]) if len(row) > 2 else ""
                 for row in rows(self.page, "macro", "is", "default")}
        self.assertEqual(
            shown, {name: default.get(name, "") for name in asked})

    def test_the_parts_are_those_of_the_include_file(self):
        parts = set(re.findall(r"\.(?:el)?ifdef (OUTGATE_\w+)",
                               text("exim-config/include.sh")))
        for part in parts:
            self.assertRegex(self.page, rf"(?m)^{part} = yes$")


class Settings(Case):
    code = text("local_scan/io/config.c")
    manual = text("docs/man/outgate.conf.5")

    def keys(self):
        """name -> (form, needed) as the table of config.c has it."""
        found = re.findall(r'\{ "(\w+)", (ONE|LIST), (true|false),\s+read_\w+ \}',
                           self.code)
        self.assertGreater(len(found), 10)
        return {name: (form, needed) for name, form, needed in found}

    def items(self):
        """name -> (form, text) as the manual has it."""
        found = {}
        for part in self.manual.split("\n.It Ic ")[1:]:
            head, _, body = part.partition("\n")
            body = re.split(r"\n\.(?:El|It)\b", body)[0]
            found[head.split()[0]] = head, body
        return found

    def defaults(self):
        constant = dict(re.findall(r"#define (\w+_DEFAULT) (\w+)", self.code))
        start = self.code.index("\nset_defaults(")
        block = self.code[start:self.code.index("\n}\n", start)]
        found = {name: ("none; needed" if needed == "true" else "none")
                 for name, (_, needed) in self.keys().items()}
        found |= dict(re.findall(r'\.(\w+) = "([^"]*)"', block))
        found |= {name: constant[value] for name, value in
                  re.findall(r"\.(\w+) = (\w+_DEFAULT)", block)}
        for key, no, yes, field in re.findall(
                r'\nread_(\w+)\([^{]*\{\s*return read_choice\(\s*value, '
                r'"(\w+)", "(\w+)", &config->org\.(\w+),', self.code):
            found[key] = yes if f".org.{field} = true" in block else no
        found["port"] = " ".join(re.findall(
            r"org\.port\[config->org\.n_ports\+\+\] = (\d+);", self.code))
        found["tls_ca_file"] = re.search(
            r'#define CA_FILE_DEFAULT "(.*)"',
            text("local_scan/io/ldap.c")).group(1)
        return found

    def test_the_manual_has_the_keys_of_the_code_and_no_others(self):
        self.assertEqual(list(self.items()), self.in_order())

    def in_order(self):
        # the manual groups them; within it any order is right
        return sorted(self.keys(), key=list(self.items()).index) \
            if set(self.items()) == set(self.keys()) else list(self.keys())

    def test_the_manual_has_the_defaults_of_the_code(self):
        shown = {}
        for name, (_, body) in self.items().items():
            default = re.findall(r"(?m)^Default: (.*)$", body)
            self.assertEqual(len(default), 1, name)
            shown[name] = default[0]
        self.assertEqual(shown, self.defaults())

    def test_the_manual_marks_the_lists(self):
        for name, (head, _) in self.items().items():
            self.assertEqual(head.endswith("..."),
                             self.keys()[name][0] == "LIST", name)

    def test_the_manual_has_the_choices_and_ranges_of_the_code(self):
        items = self.items()
        choices = re.findall(
            r'\nread_(\w+)\([^{]*\{\s*return read_choice\(\s*value, '
            r'"(\w+)", "(\w+)"', self.code)
        self.assertGreater(len(choices), 2)
        for key, no, yes in choices:
            self.assertIn(f"Cm {no} | {yes}", items[key][0])
        ranges = re.findall(
            r"\nread_(\w+)\([^{]*\{[^}]*?read_number\(\s*value, (\d+), (\w+),",
            self.code)
        self.assertGreater(len(ranges), 2)
        for key, low, high in ranges:
            high = high.replace("UINT16_MAX", "65535")
            self.assertIn(f"{low} to {high}", squeeze(items[key][1]))

    def test_the_example_file_has_known_keys_and_the_needed_ones(self):
        example = text("outgate.conf.example")
        used = re.findall(r"(?m)^([a-z_]+)\s", example)
        needed = [name for name, (_, need) in self.keys().items()
                  if need == "true"]
        self.assertEqual(sorted(used), sorted(needed))
        # those that are commented out: "#key value" and "#\tkey value"
        more = re.findall(r"(?m)^#\t?([a-z_]+) \S+(?: \S+)?$", example)
        self.assertGreater(len(more), 3)
        self.assertLessEqual(set(more), set(self.keys()))


class Schema(Case):
    """outgate-schema(5) against the schema's source."""

    manual = text("docs/man/outgate-schema.5")

    @classmethod
    def setUpClass(cls):
        source = tomllib.loads(text("ldap-schema/outgate.toml"))
        cls.attributes = {a["name"]: a for a in source["attribute"]}
        cls.classes = {c["name"]: c for c in source["class"]}
        cls.items = {}
        for part in cls.manual.split("\n.It Ic ")[1:]:
            head, _, body = part.partition("\n")
            cls.items[head] = squeeze(re.split(r"\n\.(?:El|It)\b", body)[0])

    def test_the_manual_has_the_names_of_the_schema_and_no_others(self):
        """The schema's names and no others, in its order"""
        self.assertEqual(list(self.items),
                         [*self.attributes, *self.classes])

    def test_the_manual_says_which_have_one_value(self):
        """Which attributes have one value"""
        for name, attribute in self.attributes.items():
            self.assertEqual("one value" in self.items[name].lower(),
                             attribute.get("single", False), name)
            self.assertEqual("many values" in self.items[name],
                             not attribute.get("single", False), name)

    def test_the_manual_has_the_lengths(self):
        """How long values may be"""
        for name, attribute in self.attributes.items():
            self.assertEqual(
                re.findall(r"at most (\d+) octets", self.items[name]),
                [str(attribute["max"])] if "max" in attribute else [], name)

    def test_the_manual_has_the_kinds_of_the_classes(self):
        """Which classes are auxiliary, and what they must have"""
        for name, known in self.classes.items():
            self.assertTrue(self.items[name].lower().startswith(
                known["kind"]), name)
            for must in known.get("must", []):
                self.assertIn(f"must have .Ic {must}", self.items[name])


class Command(Case):
    manual = text("docs/man/outgate.1")

    def test_the_manual_has_the_subcommands_of_the_code(self):
        main = text("local_scan/cli/main.c")
        names = re.findall(r'\{ "(\w+)", og_cli_\w+,', main)
        self.assertGreater(len(names), 2)
        self.assertEqual(re.findall(r"(?m)^\.Ss outgate (\w+)$", self.manual),
                         names)

    def test_the_manual_has_the_options_of_the_code(self):
        for path in sorted((SOURCE / "cli").glob("*.c")):
            code = path.read_text()
            found = re.findall(r'\{ "(\w+)", (?:required|no)_argument,', code)
            if not found:
                continue
            part = self.manual
            if path.name != "main.c":
                part = part.partition(f".Ss outgate {path.stem}\n")[2]
                part = re.split(r"\n\.S[sh] ", part)[0]
            shown = set(re.findall(r"\.It.*?Fl -(\w+)", part)) | set(
                re.findall(r"Fl \w Ar \w+ , Fl -(\w+)", part))
            if path.name == "main.c":
                part = part.partition(".Ss outgate keygen")[0]
                shown = set(re.findall(r"\.It.* Fl -(\w+)", part))
            self.assertEqual(shown, set(found) - (
                {"help"} if path.name != "main.c" else set()), path.name)

    def test_the_manual_has_the_exit_statuses_of_the_code(self):
        sysexits = {"EXIT_FAILURE": 1, "EX_OK": 0, "EX_USAGE": 64, "EX_DATAERR": 65,
                    "EX_OSERR": 71, "EX_CANTCREAT": 73, "EX_IOERR": 74,
                    "EX_TEMPFAIL": 75, "EX_CONFIG": 78,
                    "EX_UNAVAILABLE": 69, "EX_PROTOCOL": 76,
                    "EX_NOPERM": 77}
        used = set()
        for path in (SOURCE / "cli").glob("*.c"):
            used |= set(re.findall(r"\bEX(?:IT)?_\w+", path.read_text()))
        # "cannot happen"
        used -= {"EX_SOFTWARE", "EXIT_SUCCESS"}
        shown = self.manual.partition(".Sh EXIT STATUS")[2]
        shown = shown.partition("\n.Sh ")[0]
        self.assertEqual(
            {int(n) for n in re.findall(r"(?m)^\.It (\d+)$", shown)},
            {sysexits[name] for name in used})


class Manuals(Case):
    def test_groff_has_nothing_to_say(self):
        if shutil.which("groff") is None:
            self.skipTest("groff is not installed")
        for path in MANUALS:
            done = subprocess.run(
                ["groff", "-mandoc", "-ww", "-z", path], text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_mandoc_has_nothing_to_say(self):
        if shutil.which("mandoc") is None:
            self.skipTest("mandoc is not installed")
        for path in MANUALS:
            done = subprocess.run(
                ["mandoc", "-T", "lint", "-W", "style", path], text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            said = [line for line in done.stdout.splitlines()
                    # which manuals this machine has is not our text
                    if "mandoc.db" not in line
                    and "referenced manual not found" not in line]
            self.assertEqual(said, [])


if __name__ == "__main__":
    tap.main()
