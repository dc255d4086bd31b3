"""The grammar of the text form, and what a reader calls its words."""

GRAMMAR = r"""
?start: or
?or: and
    | and (_OR and)+                       -> joined_or
?and: negated
    | negated (_AND negated)+              -> joined_and
?negated: NOT negated                      -> negation
    | condition
?condition: primary
    | primary COMPARISON primary           -> infix
    | primary tail                         -> affirmed
    | primary NOT tail                     -> denied
    | primary IS NULL                      -> is_null
    | primary IS NOT NULL                  -> is_not_null
tail: LIKE primary
    | IN group
    | BETWEEN primary _AND primary
?primary: NAME                             -> name
    | NAME group                           -> call
    | STRING                               -> string
    | NUMBER                               -> number
    | TRUTH                                -> truth
    | group
group: LEFT (or (_COMMA or)*)? _RIGHT

_AND.2: /and(?![\w:])/i
_OR.2: /or(?![\w:])/i
NOT.2: /not(?![\w:])/i
IN.2: /in(?![\w:])/i
IS.2: /is(?![\w:])/i
LIKE.2: /like(?![\w:])/i
BETWEEN.2: /between(?![\w:])/i
NULL.2: /null(?![\w:])/i
TRUTH.2: /(true|false)(?![\w:])/i
COMPARISON: /<>|<=|>=|=|<|>/
STRING: /'(?:[^']|'')*+'/
NUMBER: /[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?/
NAME: /%NAME%/
LEFT: "("
_RIGHT: ")"
_COMMA: ","
%ignore /\s+/
"""

WORDS = {
    "NAME": "a name",
    "STRING": "a value",
    "NUMBER": "a value",
    "TRUTH": "a value",
    "LEFT": "(",
    "COMPARISON": "a comparison such as =",
    "LIKE": "LIKE",
    "IN": "IN",
    "BETWEEN": "BETWEEN",
    "IS": "IS NULL",
    "NOT": "NOT",
    "NULL": "NULL",
    "_AND": "AND",
    "_OR": "OR",
    "_COMMA": "a comma",
    "_RIGHT": ")",
    "$END": "the end of the text",
}
"""What may be expected, in the order in which it is told."""

HINTS = {
    "'": "a text is not closed: its ' has no partner (a ' inside a text is written twice)",
    '"': 'a name is not closed: its " has no partner (a " inside a name is written twice)',
    "!": "not equal is written <>",
    "&": "conditions are joined with AND",
    "|": "conditions are joined with OR",
    "~": "a condition is negated with NOT",
    "[": "a list stands in parentheses",
    "{": "an object as a value is written json('{…}')",
    **dict.fromkeys("+-*/%^", "fields compare with values, without arithmetic"),
}
"""What to say of a character that begins no word."""
