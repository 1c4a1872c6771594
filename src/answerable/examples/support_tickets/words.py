"""The phrases that the demo's support tickets are made of.

A phrase is text with two marks: ``[a|b]`` means one of the alternatives, ``{slot}`` is filled by the
generator. Everything here is invented; values that look personal come from ranges reserved for examples.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Urgency = Literal["low", "normal", "high"]
Team = Literal["billing", "shipping", "account", "technical"]
Phrases = tuple[str, ...]


class Product(NamedTuple):
    """One thing the invented shop sells: its name, and the noun a customer uses for it."""

    name: str
    noun: str


class Topic(NamedTuple):
    """One thing people write about: who takes it, and the words that make it more or less urgent.

    `share` is (low, normal, high) in tickets per thousand. `default` is the urgency that a reader gives
    to a ticket that states the problem and says nothing about its consequences.
    """

    team: Team
    default: Urgency
    share: tuple[int, int, int]
    core: Phrases
    low: Phrases = ()
    normal: Phrases = ()
    high: Phrases = ()
    devices_only: bool = False
    takeover: bool = False


DEVICES = (
    Product("Aria Speaker", "speaker"),
    Product("Lumen Lamp", "lamp"),
    Product("Halo Thermostat", "thermostat"),
    Product("Porter Doorbell", "doorbell"),
    Product("Brew One", "kettle"),
    Product("Pebble Heater", "heater"),
)
PRODUCTS = (*DEVICES, Product("Flowdesk", "Flowdesk plan"))

TOPICS = (
    # ---- billing
    Topic(
        "billing",
        "normal",
        (16, 64, 14),
        core=(
            "I [was|have been|got] charged [twice|double] for [order {order}|the {noun}|one {product}].",
            "{amount} [left|was taken from] my account [twice|two times] [on {date}|on the same day].",
            "There are two [identical|equal] [debits|payments] of {amount} on my [statement|account].",
            "You took the money for {order} [a second time|once more|again].",
            "My [bank|statement|card bill] shows [a duplicate|a repeated|a second] payment of {amount}.",
        ),
        low=(
            "One of the two was already [reversed|sent back], I only want to [understand|know] why.",
            "[It has come back by now|The bank already returned it], so this is just for your information.",
            "It is only {small} and I am not overdrawn or anything, so [take your time|it can wait].",
        ),
        normal=(
            "Please [return|refund|send back] the second [payment|amount].",
            "I expect the [difference|extra money] back [this week|soon|on the same card].",
            "I have [attached|added] the [statement|bank extract], can you [check|look into it]?",
            "My rent is paid, so it is not a drama, but I want the [money|amount] back.",
            "My [bank|card company] says [you have to|only you can] reverse it.",
        ),
        high=(
            "My rent [is due|goes out] tomorrow and [the account is empty|there is nothing left for it].",
            "I am now [overdrawn|below zero] and [cannot buy food|the power will be cut off on Friday].",
            "Because of this my [mortgage|loan] [bounced|was returned] and the [bank|lender] ends it today.",
            "I cannot [buy my medicine|pay my staff tonight|get to the hospital] until it is back.",
            "The [landlord|bailiff] comes [tomorrow|on Thursday] and that money was [for him|all we had].",
        ),
    ),
    Topic(
        "billing",
        "normal",
        (24, 48, 4),
        core=(
            "I am [still|] waiting for [my refund|the money back|the credit] [for {order}|of {amount}].",
            "The {noun} went back [weeks ago|on {date}] and I have not [seen|received] [a cent|the refund].",
            "[Where is|What happened to] the refund for [the {noun}|{order}]?",
            "You [promised|confirmed] a refund of {amount} on {date}.",
            "My return was [accepted|confirmed] but the [money|amount] [never arrived|is missing].",
        ),
        low=(
            "I know it can take [ten days|two weeks], I only [ask|wonder] if it is [on its way|queued].",
            "A voucher would [also be fine|do as well].",
            "It is not urgent, just [tell me|let me know] which [card|account] it goes to.",
        ),
        normal=(
            "That is [longer than|well over] the 14 days you [state|advertise].",
            "Please pay it to {iban}.",
            "[Nobody answers|I get no reply] when I [call|phone] your hotline.",
            "Your colleague said it was [sent|paid], my bank says it was not.",
            "I do not want to [involve a lawyer|go to court] over {small}, so please just [send|pay] it.",
        ),
        high=(
            "My [lawyer|solicitor] files the claim [tomorrow|on Friday] if it is not [paid|settled] by then.",
            "The [small claims hearing|court date] is on {soon} and this is my last [word|letter] before it.",
            "The [final deadline|limit] in the formal notice [ends|runs out] [tonight|tomorrow at noon].",
        ),
    ),
    Topic(
        "billing",
        "low",
        (40, 30, 4),
        core=(
            "[Could you|Please] send me [an invoice|a receipt|the invoice again] for [{order}|the {noun}].",
            "The invoice {invoice} [has|shows] [the wrong company name|no VAT number|an old address].",
            "I [cannot find|do not see] [the invoice|the bill] for [my {product}|{order}].",
            "I have a question about [invoice {invoice}|my last bill].",
        ),
        low=(
            "I [need|want] it for my [own records|files], [whenever you have time|no hurry].",
            "It is only for the [warranty folder|tax return next year].",
        ),
        normal=(
            "Our [accountant|bookkeeper] closes the month [this week|in a few days].",
            "My [employer|company] does not [reimburse|pay] me without it.",
            "The amount is [also wrong|not the one I paid], {amount} instead of {small}.",
        ),
        high=(
            "The [tax office|auditor] wants it by [tomorrow|tonight], after that there is a [fine|penalty].",
            "It has to be [in front of the judge|with the court] [tomorrow morning|by {soon}].",
        ),
    ),
    Topic(
        "billing",
        "low",
        (36, 28, 0),
        core=(
            "[Is there|Do you have] a [discount|student price|cheaper plan] for [the {noun}|{product}]?",
            "How do I [change|switch] [from monthly to yearly|my plan|the payment method]?",
            "My subscription [was renewed|renewed itself] [on {date}|for another year].",
            "The [voucher|promo code] is [not accepted|refused] [at checkout|when I pay].",
        ),
        low=(
            "I am [just comparing|only looking around] before I [decide|buy].",
            "[Just curious|Only a question], the current [price|plan] is fine too.",
        ),
        normal=(
            "I had [cancelled|ended] it in time and want the {amount} back.",
            "My card {card} is [valid|fine] but your page [declines|refuses] it.",
            "Please [stop|cancel] the next [payment|debit], it is [due|planned] on {soon}.",
        ),
    ),
    # ---- shipping
    Topic(
        "shipping",
        "normal",
        (26, 84, 0),
        core=(
            "My [parcel|package|order {order}] [has not arrived|is late|never came].",
            "[Where is|What about] my [parcel|package|{noun}]?",
            "The tracking {tracking} [has not moved|shows nothing new] [since {date}|for {days} days].",
            "The [courier|driver] says it was [delivered|handed over], but [nothing is here|I have none].",
            "Order {order} should have [been here|come] [on {date}|{days} days ago].",
        ),
        low=(
            "I am [away|on holiday] until next month anyway, so it can [wait|take its time].",
            "It is not [needed|a present], I only want to [know|plan] when to be at home.",
            "The [neighbour|shop] may have it, I just want to [ask|be sure].",
        ),
        normal=(
            "It is a [birthday present|gift] and I need it [this week|by Saturday].",
            "Please [trace it|open an inquiry] with the [carrier|courier].",
            "My address is {address}, [that is what I entered|please compare].",
            "I would like [a replacement|it sent again] or my money back.",
            "You can reach me on {phone} [during the day|after five].",
        ),
    ),
    Topic(
        "shipping",
        "normal",
        (12, 58, 0),
        core=(
            "I [received|got] [the wrong {noun}|a {noun} I did not order|someone else's parcel].",
            "The box [arrived|came] [damaged|crushed|wet] and the {noun} is [broken|scratched|cracked].",
            "[The cable|The manual|One part|The power supply] is [missing|not in the box].",
            "You sent [a different colour|the old model|two instead of one].",
        ),
        low=(
            "I can live with [it|the scratch], you should only know that the packing is [weak|poor].",
            "I would even [keep|take] it, [just tell me|let me know] what you prefer.",
            "It is a small thing and I have [a spare|another one].",
        ),
        normal=(
            "Please [send|ship] the right one, I can [return|hand back] this one to the courier.",
            "I [have photos|attached pictures] of the [box|damage].",
            "I cannot use it like this, [please exchange it|what now?]",
        ),
        devices_only=True,
    ),
    Topic(
        "shipping",
        "low",
        (44, 16, 0),
        core=(
            "Do you [ship|deliver] to [islands|Norway|a parcel locker|my office]?",
            "Can I [change|correct] the [delivery address|delivery day] of {order}?",
            "[How long|How many days] does [delivery|shipping] of the {noun} take?",
            "Is it possible to [pick up|collect] the {noun} [in a shop|myself]?",
        ),
        low=(
            "I have not ordered yet, [just asking|I am only planning].",
            "Any day next month is [fine|good].",
        ),
        normal=(
            "It leaves your warehouse [today|tomorrow] and {address} is the right one.",
            "I [moved|typed the wrong house number] and the parcel is [already packed|about to leave].",
        ),
        devices_only=True,
    ),
    Topic(
        "shipping",
        "low",
        (26, 24, 5),
        core=(
            "I [want|would like] to [return|send back] the {noun}.",
            "The return label for {order} [does not print|is missing|has expired].",
            "How do I [return|send back] [a {product}|order {order}]?",
            "The [pickup|collection] of my return [did not happen|was missed].",
        ),
        low=(
            "There is [no hurry|plenty of time], I have 30 days.",
            "I have not [opened|used] it and [might keep it|am not even sure yet].",
        ),
        normal=(
            "I have [waited|stayed at home] [two days|all day] for the [driver|courier].",
            "Please send a new label to {mine}.",
            "I [leave|move out] [next week|on {soon}] and cannot [take|keep] the box.",
        ),
        high=(
            "My [statutory|legal] right of withdrawal [ends|expires] [today|tomorrow], then I lose {amount}.",
            "[Customs|The customs office] will [destroy|seize] it [tomorrow|on {soon}] if you do not sign.",
        ),
        devices_only=True,
    ),
    # ---- account
    Topic(
        "account",
        "normal",
        (20, 64, 0),
        core=(
            "I cannot [log in|sign in|get into my account] [any more|since {date}|].",
            "The [password reset|reset link] [does not arrive|never comes|is expired].",
            "I [lost|replaced|broke] my phone and [the code|two-factor login] goes to the old one.",
            "My account [is locked|was blocked] [after three attempts|without a reason|].",
            "The password for {mine} is [not accepted|always wrong].",
        ),
        low=(
            "I found [a way around it|the old phone], but you should [fix|know about] it.",
            "I hardly use it, so [any time|next week] is fine.",
            "Nobody [broke in|got into it], I simply forgot the password.",
        ),
        normal=(
            "I need [it|access] for my work.",
            "I was born on {birthday} if you have to [verify|check] me.",
            "Please [unlock|reset] it and write to {mine}.",
            "I do not think [anyone got in|it was stolen|I was hacked], I [mistyped it|forgot it].",
        ),
    ),
    Topic(
        "account",
        "low",
        (42, 18, 0),
        core=(
            "[Please change|I want to change] [the e-mail|my name|the phone number] [on|of] my account.",
            "How do I [add|invite] [a colleague|my wife|a second user]?",
            "Please [stop|end] the [newsletter|advertising mails].",
            "I [have|ended up with] two accounts, can you [merge|join] them?",
        ),
        low=(
            "The new one is {email}.",
            "[Whenever|When] it suits you, there is no [hurry|rush].",
        ),
        normal=(
            "The old [address|mailbox] is [switched off|gone] at the end of the week.",
            "I have [asked|clicked unsubscribe] three times [now|already].",
            "[She|He] needs to [start|have access] on Monday.",
        ),
    ),
    Topic(
        "account",
        "normal",
        (10, 22, 4),
        core=(
            "I want my account and [all my data|everything you hold about me] deleted.",
            "Please [send|give] me a copy of [all the data|everything] you [store|have] about me.",
            "[Delete|Erase] [my profile|my data], customer number {own}.",
        ),
        low=("No [deadline|hurry], I am just [tidying up|cleaning up my accounts].",),
        normal=(
            "Please confirm it [in writing|by e-mail to {mine}].",
            "I [asked|wrote] on {date} and [nothing happened|got no answer].",
        ),
        high=(
            "The [one-month|legal] deadline ends [tomorrow|tonight], then I go to the [regulator|authority].",
            "My [lawyer|solicitor] [needs|must have] it for the hearing [tomorrow|on {soon}].",
        ),
    ),
    Topic(
        "account",
        "normal",
        (8, 22, 0),
        core=(
            "I [got|received] a [strange|suspicious] [mail|message] [in your name|from {email}].",
            "Is [the message|the mail] about a [login|sign-in] from {ip} really from you?",
            "There is a [login|device] in my [list|history] that I [do not recognise|forgot about].",
        ),
        low=(
            "I did not click on anything, this is only [for your information|so that you know].",
            "It was [my own tablet|my son], [sorry|never mind], just tell me how to remove it.",
        ),
        normal=(
            "It [says|claims] my account was [blocked|closed|hacked] and I should [pay|call a number].",
            "I changed my password [to be safe|already], [anything else to do?|please check it.]",
        ),
    ),
    Topic(
        "account",
        "high",
        (0, 0, 60),
        takeover=True,
        core=(
            "My account [was|has been|got] hacked.",
            "[Somebody|Someone|They] hacked [my account|me|my {product} account] [last night|on {date}|].",
            "I [have been|was] hacked and [cannot get in|the e-mail was changed to {email}].",
            "[I think|I am sure] [I was|my login was] hacked.",
            "Help, my {product} account is hacked [and I am locked out|].",
            "A hacker is in my account, [I got hacked|it was hacked] [on {date}|last night].",
            "[My son's|My mother's|Our shop's] account was hacked, it runs on {mine}.",
            "The e-mail on my account was changed to {email} and [that is not me|I did not do it].",
            "[A stranger is inside my account right now|There are purchases that I never made].",
            "I [was|have been] [thrown|logged] out of my own account and the password is not mine any more.",
        ),
        high=(
            "They ordered [three|two|several] {noun}s to [another address|{address}] with my card {card}.",
            "There was a login from {ip}, [I have never been there|that is not my country].",
            "Please [block|freeze|lock] [everything|the account] [now|at once|right away].",
            "My card {card} is [stored|saved] there.",
            "My e-mail was hacked [as well|too].",
            "The phone number was [changed|replaced] too, mine is {phone}.",
            "The parcel [leaves|ships] today, please stop it.",
        ),
    ),
    # ---- technical
    Topic(
        "technical",
        "normal",
        (24, 92, 0),
        core=(
            "My {noun} [does not|will not] [switch on|turn on|start] [any more|since {date}|].",
            "The {noun} [keeps losing|drops|cannot find] the [wifi|connection|network].",
            "[After|Since] the [update|new firmware] the {noun} [is dead|restarts all the time|hangs].",
            "The app [crashes|freezes|closes] when I open the {noun}.",
            "The {product} shows [error|code] {code}.",
            "The {noun} stopped [working|responding] [yesterday|on {date}|].",
        ),
        low=(
            "It works again [after a reset|by now], I only [report|mention] it.",
            "It happens [once a month|very rarely] and does not [bother|disturb] me much.",
            "I have [a second one|the old one], so it is not urgent.",
        ),
        normal=(
            "I [already|have] tried [a reset|another cable|a new battery], [no luck|nothing helps].",
            "There is no smoke or [smell|heat], it is simply dead.",
            "I use it [every day|for work] and need [help|a repair].",
            "It is still [under warranty|new], serial {serial}.",
            "My router gives it {ip}, if that [helps|matters].",
        ),
    ),
    Topic(
        "technical",
        "low",
        (46, 14, 0),
        core=(
            "How do I [connect|pair] the {noun} [with|to] [my phone|another room|a calendar]?",
            "Can the {noun} [be used|work] [without internet|with a timer|outside]?",
            "Is there a [manual|list of shortcuts] for the {product}?",
            "It would be [great|nice] if the {noun} could [show the time|export a list|be quieter at night].",
            "The {noun} [hums|clicks|blinks] [a little|sometimes].",
        ),
        low=(
            "[Just|Only] an idea, otherwise I am [happy|very pleased] with it.",
            "I am only [curious|wondering].",
            "The {noun} gets a bit warm, but the manual says [that is normal|it may].",
        ),
        normal=(
            "I [tried|followed] the [steps|guide] and it [fails|stops] at the [last|second] one.",
            "It [worked|did this] before the [update|new version].",
            "I [wake up|cannot sleep] because of it.",
        ),
    ),
    Topic(
        "technical",
        "low",
        (14, 14, 0),
        core=(
            "I [built|wrote|need] [an automation|a script|a report] with the {product} [interface|API].",
            "Your [export|API] [returns|gives] [error {code}|an empty list] [sometimes|].",
            "Which [format|time zone] does the [export|report] use?",
        ),
        low=(
            "I [put|wrote|glued|hacked] together a small [script|tool], it mostly works.",
            "[It is for|I do it in] my spare time.",
            "A growth hacker in our team [asks|wants to know].",
        ),
        normal=(
            "Growth [overran|hacked|broke|outgrew] my workflow: we are [forty|sixty] now, the sync fails.",
            "Our [team|shop] [waits|is stuck] because of it.",
        ),
    ),
    Topic(
        "technical",
        "high",
        (0, 0, 22),
        core=(
            "The {noun} [started to smoke|is smoking|smells of burning] [when plugged in|since {date}|].",
            "There were sparks [from|inside] the [plug|{noun}|power supply].",
            "The [battery|back|plug] of the {noun} [melted|is swollen|became too hot to touch].",
            "I [got|felt] [an electric shock|a shock] from the {noun}.",
            "The {noun} [burned|left a black mark on] the [table|wall|socket].",
        ),
        high=(
            "We have [small children|a baby] in the [room|house].",
            "I pulled the plug, [is it safe?|what should I do?]",
            "The [fuse|breaker] [went|tripped] and the socket is [black|brown].",
            "My hand [hurts|has a blister].",
            "I do not want to make a fuss, but it [frightened|worried] us.",
            "It did not switch off [by itself|any more].",
        ),
        devices_only=True,
    ),
)
