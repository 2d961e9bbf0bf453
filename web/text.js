// What the page says, in the reader's language: strings/LANGUAGE.js, one file each.
import en from './strings/en.js';
import { keep, kept } from './state.js';

export const languages = { en: 'English', de: 'Deutsch' };

const wanted = [kept('latent.language'), ...navigator.languages.map((tag) => tag.slice(0, 2))];
export const language = wanted.find((tag) => languages[tag]) ?? 'en';
document.documentElement.lang = language;
const strings = language === 'en' ? en : (await import(`./strings/${language}.js`)).default;

export function speak(tag) {
  keep('latent.language', tag);
  location.reload();
}

// t('stage.step', {step: 3, steps: 20}); of a text with "one | many" the value n chooses.
export function t(key, values = {}) {
  const text = strings[key] ?? en[key] ?? key;
  const forms = text.split(' | ');
  const form = forms.length > 1 && values.n !== 1 ? forms[1] : forms[0];
  return form.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === 'number' ? number(values[name]) : values[name]));
}

export const number = (value) => new Intl.NumberFormat(language, { maximumFractionDigits: 2 }).format(value);

export function seconds(value) {
  if (value < 60) return t('time.seconds', { n: value < 9.5 ? Math.round(value * 10) / 10 : Math.round(value) });
  return t('time.minutes', { minutes: Math.floor(value / 60), seconds: Math.round(value % 60) });
}

export const when = (unix) => new Date(unix * 1000).toLocaleString(language, { dateStyle: 'medium', timeStyle: 'short' });
