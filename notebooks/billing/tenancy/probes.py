"""One tenant guesses at another's prompt, field by field, by what the engine need not compute."""

from language_model import Engine

ROUTINE = "The patient was seen, findings were explained and next steps agreed. "
FORM = "Discharge letter of the Northern Clinic. " + 3 * ROUTINE
FIELDS = {
    "Diagnosis": "asthma gout anaemia migraine angina eczema sepsis".split(),
    "Dose": ["5 mg", "10 mg", "20 mg", "40 mg", "80 mg", "125 mg", "250 mg"],
}
SECRET = ["sepsis", "125 mg"]
BLUE, ACME = 0, 1


def letter(*fields: str) -> str:
    """The form, which everybody has, with the first fields filled in."""
    return FORM + " ".join(f"{name}: {field}." for name, field in zip(FIELDS, fields))


def send(engine: Engine, text: str, slot: int = -1) -> dict[str, float]:
    """Timings of a request of one token; `slot` -1 leaves it to the engine which cache it meets."""
    (answer,) = engine.complete([text], 1, cache_prompt=True, id_slot=slot)
    return answer["timings"]


# --8<-- [start:guess]
def guess(engine: Engine, apart: bool) -> tuple[list[str], int, int]:
    """blue keeps sending its letter; acme tries each word.

    What acme finds, after how many tries, and the tokens computed for blue's last letter.
    """
    blue, acme = (BLUE, ACME) if apart else (-1, -1)
    known, probes = [], 0
    for candidates in FIELDS.values():
        for candidate in candidates:
            own = send(engine, letter(*SECRET), blue)["prompt_n"]
            probes += 1
            if send(engine, letter(*known, candidate), acme)["prompt_n"] == 1:
                known.append(candidate)  # all but the last token was there already
                break
    return known, probes, own


# --8<-- [end:guess]
