"""Does an input try to instruct the model? Named, weighed signals; a heuristic that flags, not a wall."""

import re
import unicodedata
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from answerable.decisions.answer import Answer
from answerable.decisions.case import Case
from answerable.errors import UsageError
from answerable.failures.checking import DeclaredCheck, Then, input_texts, named

# Name -> (weight, what it means). A text with signals of 1 together is taken for an attempt.
SIGNALS: Mapping[str, tuple[float, str]] = MappingProxyType(
    {
        "override": (1.0, "it says to ignore the instructions"),
        "replace-content": (1.0, "it says to ignore the text and to state something else"),
        "override-own": (0.25, "it takes back instructions, perhaps the writer's own"),
        "new-task": (0.5, "it announces new instructions or another task"),
        "end-marker": (0.5, "it claims that the input or the prompt ends"),
        "role-token": (1.0, "it holds the control tokens of a chat format"),
        "role-marker": (0.5, "a line is written as if the system or the assistant spoke"),
        "prompt-request": (1.0, "it asks for the system prompt"),
        "prompt-question": (0.5, "it speaks of the prompt or the model's instructions"),
        "persona": (0.5, "it gives the model another part to play"),
        "mode": (0.5, "it claims a mode without rules"),
        "unbound": (0.5, "it says that no rules or filters hold"),
        "addresses-model": (0.5, "it speaks to a model rather than to people"),
        "dictated-answer": (0.5, "it dictates the answer or the class"),
        "hidden-text": (1.0, "it holds text that people cannot see"),
        "encoded": (1.0, "instructions are encoded in it"),
        "tool-call": (1.0, "it holds a tool call"),
        "exfiltration": (1.0, "it asks to send data out, or an image would carry it out"),
        "link-with-data": (0.5, "an image's address has room for data"),
    }
)
THRESHOLD = 1.0
_VERSION = 2  # counts up with every change of what follows

# Words ----------------------------------------------------------------------------
# They are matched in lower case, without accents, with single spaces; " . " ends a sentence.

_GAP = r"(?:\w{1,20} ){0,4}?"  # a few words of the same sentence
_IGNORE = (
    r"(?:ignore|disregard|forget|override|overrule|bypass|neglect|discard|do not follow|"
    r"dont follow|stop following)"
)
_TOLD = (
    r"(?:instructions?|prompts?|guidelines?|directives?|directions|programming|"
    r"system message|rules|training|orders)"
)
_OURS = (
    r"(?:your|the|all|any|every|these|those|previous|prior|earlier|above|preceding|past|"
    r"former|initial|original|existing|system|other|everything|developers?|safety|"
    r"security|current|of)"
)
_STATE = (
    r"(?:state|say|print|output|write|classify|approve|mark|declare|return only|"
    r"respond with|reply with|answer with|simply|instead|just)"
)
_ANSWERED = (
    r"(?:answer|respond|reply|say|output|classify|label|approve|return|rate|score|choose|"
    r"select|print|state|categori[sz]e|assign|grant|set|mark|treat|route)"
)
_FIELD = (
    r"(?:urgency|priority|confidence|category|class|label|score|severity|sentiment|"
    r"verdict|decision|classification|rating|status|team|answer|output|intent)"
)
_MODEL = (
    r"(?:ai|llm|llms|gpt|chatgpt|claude|gemini|copilot|language model|ai model|"
    r"ai assistant|ai agent|assistant|chatbot|bot|classifier|model|ai system)"
)

# Other languages: the verb and, a few words later, what is to be ignored.
_OTHER_OVERRIDES = (
    # The writer's own are no attempt: die Anweisungen aus meiner letzten Mail, les consignes que j'ai ...
    r"(?:ignorier\w{0,3}|vergiss|vergessen sie|missachte\w?|beachte nicht) "
    r"(?:(?!(?:mein|unser)\w{0,3} )\w{1,20} ){0,4}?"
    r"(?:anweisungen|anweisung|instruktionen|vorgaben|regeln|befehle|anleitungen)\b"
    r"(?! (?:[. ]{0,2}die (?:ich|wir)|von (?:mir|uns)|(?:aus|in|von|zu) (?:mein|unser)\w{0,3}|(?:in|aus) der"
    r" (?:anleitung|schachtel)|im handbuch|auf der (?:verpackung|packung)|des (?:fahrers|herstellers))\b)",
    r"(?:ignorez|ignorer|ignore (?:toutes?|tous|les|tes|vos|ces)|oublie[zr]?|"
    r"ne tiens pas compte|ne tenez pas compte|neglige[zr]?) "
    r"(?:(?!(?:mes|mon|ma|nos|notre) )\w{1,20} ){0,4}?(?:instructions|consignes|regles|directives)\b"
    r"(?! (?:\w{1,20} )?(?:que j\w{0,20}|que (?:je|nous|l on)|(?:de|dans|du) (?:mes|mon|ma|nos|notre)|"
    r"du (?:livreur|chauffeur|fabricant|manuel)|de la notice)\b)",
    r"(?:ignor[ae]n?|olvid[ae]n?|haz caso omiso|descart[ae]|no sigas) "
    + _GAP
    + r"(?:instrucciones|reglas|indicaciones|ordenes|directrices)",
    r"(?:ignora(?:te|re)?|dimentica(?:te|re)?|trascura) "
    + _GAP
    + r"(?:istruzioni|regole|indicazioni|direttive)",
    r"(?:ignor[ae]r?|esquec[ae]|desconsider[ae]|descart[ae]) "
    + _GAP
    + r"(?:instrucoes|regras|orientacoes|ordens|diretrizes)",
    r"(?:negeer|vergeet) " + _GAP + r"(?:instructies|aanwijzingen|regels|opdrachten)",
    r"(?:zignoruj|ignoruj|zapomnij|pomin) "
    + _GAP
    + r"(?:instrukcj\w|polecen\w{1,2}|zasad\w?|wytyczn\w{1,3})",
    r"(?:игнорируи(?:те)?|проигнорируи(?:те)?|забудь(?:те)?) "
    + _GAP
    + r"(?:инструкции|указания|правила|команды)",
    r"(?:onceki|yukaridaki|tum) "
    + _GAP
    + r"(?:talimatlari|komutlari|kurallari) (?:yok say|unut|gormezden gel|dikkate alma)",
)
_UNSPACED_OVERRIDES = (
    r"(?:忽略|无视|無視|忘记|忘記|忘掉|不要理会)[^。\n]{0,12}(?:指[令示]|提示|规则|規則|命令|说明)",
    r"(?:指示|命令|プロンプト|ルール|指令)[^。\n]{0,8}(?:無視|忘れ)",
    r"(?:지시|명령|프롬프트|규칙)[^.\n]{0,8}(?:무시|잊)",
    r"(?:تجاهل|انس)[^.\n]{0,20}(?:التعليمات|الأوامر|القواعد|الاوامر)",
    r"(?:निर्देश|आदेश)[^।\n]{0,12}(?:अनदेखा|नज़रअंदाज़|भूल)",
)

_WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "override",
        (
            rf"{_IGNORE} (?:\w{{1,20}} ){{0,3}}?{_OURS} (?:(?!my |our |his |her |"
            rf"their )\w{{1,20}} ){{0,3}}?{_TOLD}\b(?! (?:i|we|that i|that we|which i|from me|"
            rf"from us|from my|about|regarding|from the (?:shop|driver|manual|leaflet))\b)",
            r"(?:ignore|disregard|forget) (?:everything|all|anything) (?:you (?:were|have been|"
            r"ve been|are) told|that (?:came|was said) (?:before|above)|(?:said |"
            r"written )?(?:above|before this))",
            r"(?:instructions|rules|prompt|guidelines) (?:above |before |so far )?(?:are|"
            r"is) (?:now )?(?:void|obsolete|cancelled|null|superseded|no longer valid|overridden)",
            *_OTHER_OVERRIDES,
        ),
    ),
    (
        "replace-content",
        (
            rf"(?:ignore|disregard|forget) (?:the|this|that|all|all of|everything|"
            rf"what is)(?: \w{{1,20}}){{0,3}} and {_STATE}",
            r"(?:ignorez|oubliez|ignorier\w{0,2}|vergiss|ignora|ignore|olvida|"
            r"ignorar) (?:\w{1,20} ){1,4}?(?:et|und|y|e) (?:indique\w{0,2}|dites|ecrivez|"
            r"declare\w?|sage?|schreibe?|antworte|gib|declara|di|escribe|responde|scrivi|rispondi|"
            r"diga|escreva)\b",
            r"(?:ignore|disregard) (?:the )?(?:above|text above|rest|user|content) (?:and|then) "
            r"(?!(?:please |just |simply )?(?:close|cancel|delete|archive|remove|use|see|read|look|call|"
            r"contact|accept my|excuse|sorry|thanks?)\b)",
        ),
    ),
    ("override-own", (rf"{_IGNORE} {_GAP}{_TOLD}",)),
    (
        "new-task",
        (
            r"(?:new|updated|real|actual|revised|additional|special|secret|hidden|"
            r"important) (?:system |admin |developer )?(?:instructions?|directives?|objective|"
            r"task|prompt) [:.]",
            r"your (?:new|real|actual|only|next|true) (?:task|goal|instructions?|job|objective|"
            r"purpose|role|mission|rules?)",
            r"(?:follow|obey|execute) (?:only )?(?:these|the following|my|this) (?:new |"
            r"next )?(?:instructions?|commands?|orders?|steps instead)",
            r"(?:system|developer|admin|administrator|policy|security|training data) (?:override|"
            r"update|notice to model)",
        ),
    ),
    (
        "end-marker",
        (
            r"(?:end|beginning|start) of (?:the )?(?:system |user |customer )?(?:prompt|input|"
            r"ticket|message|data|document|context|instructions?|text|email)\b",
            r"(?:begin|end) (?:system|admin|developer|new) (?:prompt|message|instructions?)",
        ),
    ),
    (
        "prompt-request",
        (
            r"(?:reveal|print|show|repeat|output|display|leak|give me|tell me|copy|expose|"
            r"write out|disclose|share|recite|dump|quote|summari[sz]e|translate|encode|what is|"
            r"whats|what are) "
            + _GAP
            + r"(?:system prompt|initial prompt|hidden prompt|original prompt|secret prompt|"
            r"developer message|system message|system instructions|initial instructions|"
            r"hidden instructions|secret instructions|your prompt)",
            r"(?:repeat|print|output|copy|recite) (?:the |all |everything |all the )?(?:words|"
            r"text|everything|lines|content) (?:above|before this)",
            r"(?:systemprompt|system prompt|systemanweisung\w{0,2}|prompt systeme|"
            r"prompt del sistema|prompt di sistema) " + _GAP + r"(?:aus|an|zeigen|preisgeben|verrate\w?)",
            r"(?:zeige?|verrate?|gib|affiche[zr]?|revele[zr]?|muestr[ae]|revela|mostra|mostre) "
            + _GAP
            + r"(?:systemprompt|system prompt|systemanweisung\w{0,2}|prompt systeme|"
            r"instructions systeme|prompt del sistema|prompt di sistema|prompt do sistema)",
        ),
    ),
    (
        "prompt-question",
        (
            r"\bsystem prompt\b",
            r"what (?:are|were) (?:your|the) (?:exact |original |initial |"
            r"hidden )?(?:instructions|rules|guidelines)(?= [.?]|$)",
            r"(?:instructions|prompt) you (?:were|have been) given",
        ),
    ),
    (
        "persona",
        (
            r"you are (?:now|no longer) (?:an? |in |the |my |dan|acting|bound|going to act|free|operating)",
            r"from (?:now|this point|here) on you (?:are|will|must|shall|should|only|have to|answer|act)",
            r"(?:pretend|imagine|act|behave|roleplay|role play) (?:to be|you are|that you are|as|"
            r"as if you (?:are|were|have)|like) (?:an? |the |my |dan|you )?(?:\w{1,20} )?(?:ai|"
            r"model|assistant|admin\w{0,10}|developer|system|hacker|dan|unrestricted|evil|human|"
            r"root|supervisor|different)",
            r"\b(?:dan|stan|dude) mode\b|do anything now",
            r"i am (?:actually )?(?:your|the) (?:developer|creator|administrator|admin|programmer|"
            r"system administrator|engineer)\b",
            r"im (?:actually )?(?:your|the) (?:developer|creator|administrator|admin|programmer)\b",
            r"(?:ab jetzt|von nun an) (?:bist|sind|antwortest|wirst) (?:du|sie)|du bist (?:jetzt|nun) ein",
            r"(?:tu es|vous etes) (?:maintenant|desormais) |a partir de maintenant (?:tu|vous) |"
            r"(?:eres|ahora eres|a partir de ahora eres) un|(?:voce|tu) agora e |sei ora un|"
            r"d ora in poi sei",
            r"ты теперь |с этого момента ты ",  # noqa: RUF001 - it is Russian
        ),
    ),
    (
        "mode",
        (
            r"(?:system|override|admin|debug|god|maintenance|developer|sudo|jailbreak|"
            r"unrestricted|root|test|diagnostic|training) mode (?:is )?(?:now )?(?:activated|on|"
            r"enabled|engaged|initiated|active)",
            r"(?:enter|entering|enable|activate|switch to|switching to|initiate|you are in|"
            r"in) (?:the |security |full )?(?:system|override|admin|debug|god|developer|sudo|"
            r"jailbreak|unrestricted|root|security override) (?:override )?mode",
            r"^ ?(?:system|override|admin|debug|developer|sudo|god) mode\b|\bjailbr(?:eak|oken)\b",
        ),
    ),
    (
        "unbound",
        (
            r"(?:without|no|free of|free from|not bound by|no longer bound by|remove all|lift all|"
            r"disable|bypass|ignor(?:e|ing)|regardless of) (?:any |all |your |the |its |these |"
            r"every )?(?:\w{1,20} )?(?:restrictions|filters?|limitations|censorship|guardrails?|"
            r"safety|safeguards|content polic(?:y|ies)|ethical|moral|guidelines|rules apply|"
            r"approval (?:rules|limits?)|checks and approvals)",
        ),
    ),
    (
        "addresses-model",
        (
            rf"(?:dear|hey|hello|hi|attention|note to|note for|message to|message for|"
            rf"instructions? to|instructions? for|to|for|calling) (?:the |any |all |every |our |"
            rf"whichever )?{_MODEL} (?:reading|processing|reviewing|that|which|who|handling|"
            rf"evaluating|classifying|grading|model|assistant|[.:,])",
            r"(?:dear|hey|hello|hi|attention|note to|note for|message to|message for|"
            r"instructions? to|instructions? for) (?:the |any |all |our )?(?:ai|llm|llms|gpt|"
            r"chatgpt|claude|gemini|language model|ai model|ai assistant|ai agent|model|"
            r"classifier)\b",
            r"if you are (?:an? |the )?(?:ai|llm|language model|large language model|assistant|"
            r"bot|chatbot|automated system|classifier|model)\b",
            r"(?:^|\. |: )(?:ai|llm|language model|ai assistant|ai model|ai agent) (?:assistant |"
            r"model |agent |reviewer )?: ",
            r"as an? (?:ai|llm|language model|large language model|ai model|ai assistant)\b",
            r"\b(?:ai|llm|language model|model|classifier)s? (?:assistants? |agents? |"
            r"reviewers? )?(?:must|should|shall|has to|is instructed|are instructed|is required|"
            r"will now)\b",
            r"\b(?:an |die |a la |al |a l )?(?:ki|kunstliche intelligenz|ia|"
            r"intelligence artificielle|inteligencia artificial) (?:assistent\w? |modell |modele |"
            r"modelo )?(?:[:.]|muss|soll|doit|debe|deve)",
        ),
    ),
    (
        "dictated-answer",
        (
            rf"\byou (?:must|shall|will|have to|should|are required to|need to|are instructed to|"
            rf"are to) (?:now |only |always |immediately |just |therefore )?{_ANSWERED}\b",
            r"\b(?:must|should|shall|has to) (?:always )?be (?:classified|labell?ed|marked|rated|"
            r"scored|categori[sz]ed|approved|routed|answered|set|treated|graded)",
            rf"\b(?:set|change|assign|force|raise|put) (?:the |its |this |"
            rf"my )?(?:\w{{1,20}} )?{_FIELD} (?:field )?(?:to|as|=|at)\b",
            r"\b(?:classify|categori[sz]e|label|rate|score|grade) (?:this|it|the|my|every|"
            r"all)(?: \w{1,20}){0,3} (?:as|with|to) ",
            r"\b(?:respond|reply|answer|output) (?:only |exactly |just |always )?(?:with|"
            r"in the form|exactly)\b",
            r"\byour (?:final |only |entire |next )?(?:answer|response|output|reply|verdict|"
            r"decision|classification) (?:must|should|shall|has to|will|is|=)",
            rf"\bthe (?:only )?(?:correct|right|true|expected|proper) (?:answer|label|category|"
            rf"classification|class|verdict|output|decision|{_FIELD}) (?:is|here is|=)",
            r"\b(?:do not|dont|never) (?:mention|reveal|tell|disclose|report|flag|escalate|"
            r"show) (?:this|these|that|any of|it|the (?:user|customer|operator|"
            r"reviewer))(?: \w{1,20}){0,4}",
            rf"\b{_FIELD} ?= ?\w{{1,20}}",
            r"\b(?:approve|grant|issue|authori[sz]e|execute|process) (?:the |this |a |an |my |"
            r"all )?(?:full |maximum |immediate |\d{1,9} )?(?:refund|request|payment|credit|claim|"
            r"application|transfer)s? (?:immediately|now|automatically|without|of \d)",
            r"\b(?:antworte|antworten sie|klassifiziere|bewerte|stufe) (?:nur |ausschliesslich |"
            r"dies\w{0,2} |das )?(?:ticket |anfrage |nachricht )?(?:mit|als)\b|\bsetze? (?:die |"
            r"den )?(?:dringlichkeit|prioritat|kategorie) auf",
            r"\b(?:reponds?|repondez|classe[zr]?) (?:seulement |uniquement |ce ticket |"
            r"ceci )?(?:avec|par|comme)\b|\b(?:responde|clasifica|responda|classifique|rispondi|"
            r"classifica) (?:solo |unicamente |apenas |esto |este ticket |isto |questo )?(?:con|"
            r"como|com|come)\b",
        ),
    ),
    (
        "exfiltration",
        (
            r"(?:send|forward|post|email|e mail|upload|append|include|leak|transmit|export|"
            r"exfiltrate|insert) (?:me |us )?(?:\w{1,20} ){0,4}?(?:system prompt|"
            r"conversation history|entire conversation|all conversations|customer data|"
            r"customer list|customer records|all records|credentials of|"
            r"passwords of|other customers|other users|all users|employee data|internal notes|"
            r"internal data|context window|database contents?)",
            # Who asks for new keys, or their own, wants to have some.
            r"(?:send|forward|post|email|e mail|upload|append|include|leak|transmit|export|"
            r"exfiltrate|insert) (?:me |us )?"
            r"(?:(?!(?:new|fresh|another|replacement|my|our|own|test|additional|second) )\w{1,20} ){0,4}?"
            r"(?:api keys?|access tokens?)\b",
            r"(?:append|encode|include|insert|put|embed|add) (?:\w{1,20} ){0,6}?(?:to|in|into|"
            r"as) (?:the |this |an? )?(?:url|link|query string|query parameter|image url|"
            r"image link|markdown image)",
        ),
    ),
)

_RUN_TOGETHER = (
    r"(?:ignore|disregard|forget)(?:all|any|every|your|the|previous|prior|above|earlier){1,4}"
    r"(?:instructions?|prompts?|rules|guidelines)"
)

# Marks ----------------------------------------------------------------------------
# They are matched in the text as it stands, without what is invisible.

_MARKS: tuple[tuple[str, str], ...] = (
    (
        "role-token",
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id|"
        r"end_of_turn|begin_of_text)\|>"
        r"|\[/?INST\]|<</?SYS>>|<start_of_turn>|</s>\s{0,5}<s>"
        r"|^[#*= ]{0,5}###? ?(?:system|instruction|assistant|new instructions?)(?: prompt| message)?s? ?:"
        r"|<(?:system|system[ _-]?(?:prompt|mode|message)|instructions?|developer|admin|sys)>"
        r"|[\"']role[\"']\s{0,5}:\s{0,5}[\"'](?:system|developer|assistant)[\"']",
    ),
    (
        "role-marker",
        r"^[\s>*#\-\[(<{\"']{0,8}(?:system|assistant|developer|ai|human)(?: prompt| message|"
        r" note| mode| instruction)?[\])>}\"']?\s?(?::|\]|>)",
    ),
    (
        "tool-call",
        r"[\"'](?:tool_calls?|function_call|tool_use|tool_name)[\"']\s{0,5}:"
        r"|"
        r"[\"']name[\"']\s{0,5}:\s{0,5}[\"'][\w.\-]{1,64}[\"']\s{0,5},\s{0,5}[\"'](?:arguments|"
        r"parameters|args|input)[\"']\s{0,5}:"
        r"|</?(?:tool_call|function_calls?|tool_use|invoke name=[^>]{1,60})>",
    ),
    ("link-with-data", r"!\[[^\]\n]{0,200}\]\(\s{0,5}https?://[^)\s?]{1,300}\?[^)\s]{1,500}"),
    (
        "exfiltration",
        r"!\[[^\]\n]{0,200}\]\(\s{0,5}https?://[^)\s]{1,300}(?:[{\[<$]|%7B|=(?:data|secret|"
        r"history|prompt|summary|context)\b)"
        r"|<img [^>]{0,300}src=[\"']?https?://[^>\s]{1,300}[?&=/](?:\{|%7B|\[|\$\{)",
    ),
    ("override", "|".join((*_UNSPACED_OVERRIDES, _RUN_TOGETHER))),
)

_COMPILED = tuple((name, re.compile("|".join(rules), re.MULTILINE)) for name, rules in _WORDS)
_COMPILED_MARKS = tuple((name, re.compile(rule, re.IGNORECASE | re.MULTILINE)) for name, rule in _MARKS)

# Hidden and encoded ----------------------------------------------------------------------------

_TAGS = re.compile("(?<![\U0001f3f4\U000e0020-\U000e007e])[\U000e0001\U000e0020-\U000e007e]{2,}")
_HIDDEN = re.compile(
    "[\u200b-\u200d\u2060-\u2064\ufeff\u180e\u034f]{12,}"  # a message written in widths of nothing
    "|[\u202d\u202e]"  # letters are shown in another order than they are read
    "|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}"  # bytes in variation selectors
)
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)
_BLOCK = re.compile(r"(?<![A-Za-z0-9+/=_\-])(?:[A-Za-z0-9+/_\-]{24,}={0,2}|(?:[01]{8} ){8,}[01]{8})")
_BLOCKS = 64  # of a text that are decoded
_BLOCK_LENGTH = 8192  # characters of a block that are decoded
_SPELLED = re.compile(r"(?<![^\W_])(?:[^\W\d_][ .\-_*]{1,2}){5,}[^\W\d_](?![^\W_])")
_LOOKALIKES = str.maketrans("аеорсухіѕјԁһӏɡαοερν", "aeopcyxisjdhlgaoepv")
_ENDS = re.compile(r"[.!?;\n\r。！？]+")  # noqa: RUF001
_BETWEEN = re.compile(r"[^\w.:=]+")


def words_of(text: str) -> str:
    """Return `text` as words are matched: lower case, no accents, " . " between sentences. Linear."""
    text = (
        unicodedata.normalize("NFKD", text)
        .casefold()
        .replace("'", "")
        .replace("\u2019", "")
        .replace("\u0131", "i")
    )
    text = "".join(c for c in text if not unicodedata.combining(c))
    text = _ENDS.sub(" . ", text).replace(":", " : ")
    return _BETWEEN.sub(" ", text)


def signals_in(text: str) -> dict[str, float]:
    """Return the signals in a text, name -> weight; see SIGNALS. Linear in the length of the text."""
    found = {name for seen in _variants(text) for name in _plain_signals(seen)}
    if _TAGS.search(text) or _HIDDEN.search(text):
        found.add("hidden-text")
    if any(_score(_plain_signals(inner)) >= 0.5 for inner in _decoded(text)):
        found.add("encoded")
    if "override" in found:
        found.discard("override-own")
    return {name: weight for name, (weight, _) in SIGNALS.items() if name in found}


def _score(names: set[str]) -> float:
    return sum(SIGNALS[name][0] for name in names)


def _variants(text: str) -> Iterator[str]:
    """Yield a text as a person sees it, and as a model may read it where that differs."""
    if text.isascii():
        seen = text
    else:
        tags = "".join(chr(ord(c) - 0xE0000) for run in _TAGS.findall(text) for c in run[:_BLOCK_LENGTH])
        seen = _INVISIBLE.sub("", text) + (f"\n{tags}" if tags else "")
    yield seen
    if seen.translate(_LOOKALIKES) != seen and re.search("[a-z]", seen):
        yield seen.translate(_LOOKALIKES)
    joined, count = _SPELLED.subn(lambda match: re.sub(r"(?<=\w)[ .\-_*]", "", match.group()), seen)
    if count:
        yield joined


def _plain_signals(text: str) -> set[str]:
    words = words_of(text)
    found = {name for name, rule in _COMPILED if rule.search(words)}
    return found | {name for name, rule in _COMPILED_MARKS if rule.search(text)}


def _decoded(text: str) -> Iterator[str]:
    """Yield what blocks of base64, hexadecimal or binary digits say, where that is text."""
    for number, match in enumerate(_BLOCK.finditer(text)):
        if number >= _BLOCKS:
            return
        block = match.group()[:_BLOCK_LENGTH]
        for reader in (_from_binary, _from_hex, _from_base64):
            inner = reader(block)
            if inner is not None and sum(c.isprintable() or c in "\r\n\t" for c in inner) > 0.9 * len(inner):
                yield inner
                break


def _from_binary(block: str) -> str | None:
    if not re.fullmatch("[01 ]+", block):
        return None
    return bytes(int(octet, 2) for octet in block.split() if len(octet) == 8).decode("utf-8", "replace")


def _from_hex(block: str) -> str | None:
    if not re.fullmatch("[0-9a-fA-F]+", block):
        return None
    return bytes.fromhex(block[: len(block) // 2 * 2]).decode("utf-8", "replace")


def _from_base64(block: str) -> str | None:
    plain = block.rstrip("=").replace("-", "+").replace("_", "/")
    plain = plain[: len(plain) - 1] if len(plain) % 4 == 1 else plain
    try:
        return b64decode(plain + "=" * (-len(plain) % 4)).decode("utf-8", "replace")
    except ValueError:
        return None


# The check ----------------------------------------------------------------------------


def injection(*fields: str, then: Then = "flag", threshold: float = THRESHOLD) -> DeclaredCheck:
    """Return a check that looks at the input for attempts to instruct the model.

    fields: paths of the input such as "body" or "messages.text"; all of its text if none is named. A finding
    is made where the signals of one text weigh `threshold` together; it names the path and the signals, never
    the text. then: "flag" notes it and lets the answer stand; "person" lets only a person answer. It finds
    the usual attempts and no clever one: see docs/checks.md for what was measured.
    Raises UsageError for a threshold that is not above 0.
    """
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not threshold > 0:
        raise UsageError(
            f"injection: the threshold is {named(threshold)}",
            next_step="give a number above 0, such as 1.0",
        )
    look: Callable[[Case[Any], Answer[Any]], str | None] = partial(_look, fields, float(threshold))
    return DeclaredCheck(
        "injection",
        look,
        settings={"threshold": float(threshold)},
        version=_VERSION,
        then=then,
        inputs=fields,
    )


def _look(fields: tuple[str, ...], threshold: float, case: Case[Any], answer: Answer[Any]) -> str | None:
    told = []
    for path, text in input_texts(case, *fields):
        found = signals_in(text)
        if sum(found.values()) >= threshold:
            told.append(f"{path or 'input'}: {', '.join(found)}")
    if not told:
        return None
    more = f"; and {len(told) - 5} more" if len(told) > 5 else ""
    return f"the input may try to instruct the model ({'; '.join(told[:5])}{more})"
