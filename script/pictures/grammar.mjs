// Articles and plurals of names such as "slice of pizza" and "face of a dog".

const heads = / (?:with|of|in|on|and|behind|over|at|for|from|to|without|that|showing|covering|by|under|playing|blowing|wearing) /;

// Where the head, the noun that the article and the plural belong to, ends.
function headEnd(name) {
    const at = name.search(heads);
    return at < 0 ? name.length : at;
}

const uncounted = new Set(`bacon bread broccoli butter cheese chocolate clothes cooked cutlery curry dna food fog garlic hail ice
popcorn rice salt sake soap spaghetti pasta ramen sushi water wood yarn zzz locked foggy camping cooking construction milk beer
wine coffee tea honey soup noodles fries chips champagne whiskey honey lettuce cabbage ginger corn money music mail rain snow
luggage lacrosse badminton tennis bowling hockey golf cricket lightning thunder fire wool confetti internet wind sleep blood
toast soda pudding flan stew paella silver gold bubbles sweat poop poo like dislike email e-mail toilet_paper
meat fruit vegetables dice jewelry furniture hair grass mathematics transportation metro traffic nature celebration
medicine software stationery bakery seafood poultry pork beef mutton tobacco magic lightning-bolt bubble_tea
headphones fireworks skis pants trousers jeans glasses spectacles shorts briefs goggles socks gloves scissors scales
maracas grapes cherries beans blueberries peanuts nuts peas pancakes bricks leaves lips muscle hugging boom
pajamas swords tools paws dollars masks pins chains books letters waves logs love`.split(/\s+/).map(word => word.replace("_", " ")));
const singular = /(compass|bus|iris|canvas|gas|lens|chess|cross|dress|glass|.is|us|rhinoceros|cactus|octopus|bass|class|mass|cheeks?|christmas tree|atlas|trellis|ss)$/;
const named = /^(santa|santa claus|father christmas|mother christmas|mrs\. claus|mx claus|saturn|mount fuji|planet earth|earth|tokyo tower|halloween|like|dislike|ok|x|100|one hundred)$/;

const lastWord = words => words.split(" ").at(-1);

// A thing that is counted in ones: takes "a", and a plural.
export function isCountable(name) {
    if (/^(the|one|two) /.test(name)) return false;
    const head = name.slice(0, headEnd(name));
    const last = lastWord(head);
    if (uncounted.has(head) || uncounted.has(last) || named.test(name)) return false;
    return !/[^su]s$/.test(last) || singular.test(last);
}

const vowelSound = word => /^([aio]|e(?!u|w)|u(?!ni|k|fo|s[aeu])|hour|honest|x-|8|11|18)/.test(word) && !/^(one|once)\b/.test(word);
export const article = words => (vowelSound(words) ? "an" : "a");

// "a red apple", "an egg"; "grapes" and "broccoli" have none.
export function withArticle(name, adjectives = "") {
    const words = adjectives ? `${adjectives} ${name}` : name;
    return isCountable(name) ? `${article(words)} ${words}` : words;
}

const irregular = {
    mouse: "mice", goose: "geese", sheep: "sheep", deer: "deer", fish: "fish", moose: "moose", bison: "bison", ox: "oxen",
    child: "children", person: "people", man: "men", woman: "women", tooth: "teeth", foot: "feet", leaf: "leaves",
    wolf: "wolves", knife: "knives", loaf: "loaves", scarf: "scarves", elf: "elves", calf: "calves", shrimp: "shrimp",
    squid: "squid", die: "dice", reindeer: "reindeer", aircraft: "aircraft", policeman: "policemen", fireman: "firemen",
    snowman: "snowmen", potato: "potatoes", tomato: "tomatoes", mango: "mangoes", volcano: "volcanoes", mosquito: "mosquitoes",
    hero: "heroes", superhero: "superheroes", buffalo: "buffaloes", flamingo: "flamingos", cactus: "cacti", mermaid: "mermaids",
    bus: "buses", sushi: "sushi", octopus: "octopuses", "t-rex": "t-rexes", waterbuffalo: "water buffaloes",
};

function pluralWord(word) {
    if (irregular[word]) return irregular[word];
    if (/(s|x|z|ch|sh)$/.test(word)) return `${word}es`;
    if (/[^aeiou]y$/.test(word)) return `${word.slice(0, -1)}ies`;
    return `${word}s`;
}

// "slices of pizza", "faces of a dog"
export function plural(name) {
    const end = headEnd(name);
    const words = name.slice(0, end).split(" ");
    words.push(pluralWord(words.pop()));
    return words.join(" ") + name.slice(end);
}
