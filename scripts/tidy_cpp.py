"""What tidy needs to know of a C++ file, read without a compiler: its code without comments and
strings, its includes and its functions with their lengths. A reading of our own style, not of all C++.
"""
import re
from dataclasses import dataclass

TOKEN = re.compile(
    r"""
    (?P<comment>//[^\n]*|/\*.*?\*/)
  | (?P<raw>R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)")
  | (?P<string>"(?:\\.|[^"\\\n])*")
  | (?P<digits>(?<![\w'])\d[\w.]*(?:'\w+)+)
  | (?P<char>'(?:\\.|[^'\\\n])+')
    """,
    re.VERBOSE | re.DOTALL,
)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
PREPROCESSOR = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)
SCOPE = re.compile(r"\b(namespace|extern)\b[^()]*$")
TYPE = re.compile(r"\b(class|struct|union|enum)\b(?![^<]*>\s*[\w:]+\s*\()")
INITIALISERS = re.compile(r"\)[^{}();]*?(?<!:):(?!:)")
ACCESS = re.compile(r"\b(?:public|private|protected)\s*:(?!:)")


@dataclass(frozen=True)
class Function:
    """A function's name, the line where its declaration begins, and how many lines it takes."""
    name: str
    line: int
    lines: int


def includes(text):
    """Return [(line, path, quoted)] of every include."""
    code = re.sub(r"/\*.*?\*/", lambda found: blank(found[0]), text, flags=re.DOTALL)
    return [(line_of(code, found.start()), found[1] or found[2], found[1] is not None)
            for found in INCLUDE.finditer(code)]


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def blank(text):
    """Replace everything but line ends by spaces, so that positions and lines stay."""
    return re.sub(r"[^\n]", " ", text)


def code_only(text):
    """Return `text` with comments, strings and characters blanked; lines and columns stay."""
    def replace(found):
        if found["comment"] or found["char"] or found["raw"] or found["string"]:
            return blank(found[0])
        return found[0]
    return TOKEN.sub(replace, text)


def functions(text):
    """Return the functions that `text` defines. Lambdas belong to the function they stand in."""
    code = PREPROCESSOR.sub(lambda found: blank(found[0]), code_only(text))
    found, head_start, position = [], 0, 0
    while position < len(code):
        letter = code[position]
        if letter in ";}":
            head_start = position + 1
        elif letter == "{":
            head = strip_access(code[head_start:position])
            kind = kind_of_brace(head)
            end = matching_brace(code, position)
            if kind == "function":
                found.append(measure(code, head, position, end))
            if kind in ("function", "value"):
                position = end
            if kind != "member":
                head_start = position + 1
            else:
                position = end
        position += 1
    return found


def strip_access(head):
    """Blank what stands before a declaration on the same level: `public:` and the like."""
    last = 0
    for label in ACCESS.finditer(head):
        last = label.end()
    return head[last:]


def kind_of_brace(head):
    """Tell what a brace after `head` opens: scope (namespace, type), function, member (an initialiser in a
    constructor's list) or value (any other braced list)."""
    if SCOPE.search(head) or (TYPE.search(head) and not re.search(r"\)\s*(?:const|noexcept|->|$)", head)):
        return "scope"
    if "(" not in head or re.search(r"=\s*$", head) or re.search(r"(?<![<>=!])=[^=()]*\[[^\]]*\]", head):
        return "value"
    listed = INITIALISERS.search(head)
    if listed and re.search(r"[\w>]\s*$", head[listed.end():]):
        return "member"
    return "function"


def matching_brace(code, start):
    depth = 0
    for found in re.finditer(r"[{}]", code[start:]):
        depth += 1 if found[0] == "{" else -1
        if depth == 0:
            return start + found.start()
    return len(code) - 1


def measure(code, head, brace, end):
    start = brace - len(head.lstrip())
    return Function(name_of(head), line_of(code, start), line_of(code, end) - line_of(code, start) + 1)


def name_of(head):
    """Return the name of the function that `head` declares; `Suite.Case` for a GoogleTest case."""
    if test := re.search(r"\bTEST(?:_F|_P)?\s*\(\s*(\w+)\s*,\s*(\w+)\s*\)", head):
        return f"{test[1]}.{test[2]}"
    named = re.search(r"([\w:~]+|operator\s*[^\s\w(]+|operator\s*\(\))\s*\(", head)
    return named[1] if named else "?"
