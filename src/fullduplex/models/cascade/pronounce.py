"""From the International Phonetic Alphabet, as espeak-ng writes American English, to the recogniser's ARPAbet. Pure."""

from __future__ import annotations

_SOUNDS = {
    "tʃ": "CH", "dʒ": "JH", "eɪ": "EY", "aɪ": "AY", "ɔɪ": "OY", "aʊ": "AW", "oʊ": "OW", "əʊ": "OW",
    "ɑːɹ": "AA R", "ɔːɹ": "AO R", "oːɹ": "AO R", "ɛɹ": "EH R", "ɪɹ": "IH R", "ʊɹ": "UH R", "ɜː": "ER",
    "aɪə": "AY AH", "iə": "IY AH", "əl": "AH L", "n̩": "AH N",
    "iː": "IY", "uː": "UW", "ɑː": "AA", "ɔː": "AO", "oː": "OW", "eː": "EY", "aː": "AA",
    "i": "IY", "u": "UW", "ɪ": "IH", "ᵻ": "IH", "ʊ": "UH", "ɛ": "EH", "e": "EH", "æ": "AE", "a": "AA", "ɑ": "AA",
    "ɐ": "AH", "ʌ": "AH", "ə": "AH", "ɚ": "ER", "ɔ": "AO", "ɒ": "AA", "o": "OW", "y": "UW",
    "p": "P", "b": "B", "t": "T", "d": "D", "k": "K", "g": "G", "ɡ": "G", "f": "F", "v": "V", "θ": "TH", "ð": "DH",
    "s": "S", "z": "Z", "ʃ": "SH", "ʒ": "ZH", "h": "HH", "x": "K", "m": "M", "n": "N", "ŋ": "NG", "l": "L", "ɬ": "L",
    "ɹ": "R", "r": "R", "ɾ": "D", "w": "W", "j": "Y", "ʔ": "T",
}  # fmt: skip
_IGNORED = frozenset("ˈˌː‿.- \u0329\u0303\u200d_")
_LONGEST = max(map(len, _SOUNDS))


def arpabet(ipa: str) -> str | None:
    """The phones of a pronunciation, separated by spaces; None when it has a sound that English lacks."""
    bare = "".join(char for char in ipa.strip() if char not in "ˈˌ")
    phones: list[str] = []
    position = 0
    while position < len(bare):
        for length in range(_LONGEST, 0, -1):
            sound = bare[position : position + length]
            if sound in _SOUNDS:
                phones.append(_SOUNDS[sound])
                position += length
                break
        else:
            if bare[position] not in _IGNORED:
                return None
            position += 1
    return " ".join(phones) or None
