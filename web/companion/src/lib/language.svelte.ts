/** The language of the screens: the person's own, or the one chosen by hand and remembered. */
import { LANGUAGES, pickLanguage, type Language, type Texts } from "./texts.ts";
import { store } from "./store.ts";

const KEY = "everbond.language";

function first(): Language {
  const kept = store.getItem(KEY);
  return kept ? pickLanguage([kept]) : pickLanguage(navigator.languages);
}

class Speech {
  code = $state<Language>(first());
  t: Texts = $derived(LANGUAGES[this.code]);
  /** For Intl: the person's own regional form where the language is theirs ("de-CH"). */
  locale: string = $derived(
    navigator.languages.find((tag) => tag.toLowerCase().startsWith(this.code)) ?? this.code,
  );

  choose(code: Language): void {
    this.code = code;
    store.setItem(KEY, code);
  }
}

export const speech = new Speech();
