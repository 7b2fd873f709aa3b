/**
 * Spacing in transcripts of Chinese and Japanese: speech recognisers put blanks between words there, which readers of
 * those scripts do not write. Korean does write them, so Hangul is left alone. Pure.
 */

// Han, Hiragana, Katakana (half width too), CJK punctuation and full-width forms.
const CJK = "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\u3000-\\u303F\\u30FC\\uFF00-\\uFFEF";
const BETWEEN = new RegExp(`(?<=[${CJK}])\\s+(?=[${CJK}])`, "gu");

/**
 * Remove the blanks between two CJK characters; blanks next to other scripts stay.
 *
 * @param {string} text
 * @returns {string}
 */
export function cleanCjkSpacing(text) {
  return text.replace(BETWEEN, "");
}
