// Which things may be composed: things by themselves, that can stand beside another, be counted, have another colour.

const SOLID_LABELS = new Set(`mammal animal plant fruit food transport clothing music electronics office tool household
activity`.split(/\s+/));

// Of the other labels only these, by slug.
const SOLID = new Set(`house castle tent mountain volcano factory church mosque hut hospital school bank luggage rock wood
brick fountain circus-tent ferris-wheel compass bellhop-bell shop lighthouse japanese-castle statue-of-liberty
umbrella closed-umbrella star glowing-star cloud crescent-moon sun snowman alarm-clock watch hourglass-done snowflake droplet fire
twelve-oclock stopwatch thermometer ringed-planet high-voltage full-moon rainbow
robot ghost alien alien-monster skull clown-face pile-of-poo grinning-face
astronaut mage ninja princess prince santa-claus vampire zombie merperson fairy elf genie superhero cook farmer police-officer
firefighter detective guard baby boy girl man woman old-man old-woman baby-angel person-with-crown construction-worker
red-heart broken-heart speech-balloon love-letter collision bone tooth brain eye circle square triangle`.split(/\s+/));
const NOT_SOLID = new Set(`chart-increasing chart-decreasing chart-increasing-with-yen bar-chart railway-track station motorway
bus-stop stop-sign construction horizontal-traffic-light curling-stone moon-viewing-ceremony flower-playing-cards e-mail
speaker-high-volume muted-speaker control-knobs level-slider spider-web paw-prints dna fingerprint shower elevator
bell-with-slash mobile-phone-with-arrow inbox-tray outbox-tray suspension-railway mountain-railway mountain-cableway
airplane-departure airplane-arrival tanabata-tree pine-decoration carp-streamer fireworks sparkles confetti-ball
wing nazar-amulet hamsa placard identification-card fish-cake-with-swirl monorail aerial-tramway microbe bubbles
musical-score film-frames bookmark-tabs black-nib linked-paperclips broken-chain link flag-in-hole goal-net
leaf-fluttering-in-wind pouring-liquid low-battery antenna-bars ship-in-water clinking-glasses clinking-beer-mugs
x-ray drop-of-blood petri-dish station wood-log sheaf-of-rice running-shirt`.split(/\s+/));

// Their colour is what they are, or they have many.
const ONE_COLOUR = new Set(`1st-place-medal 2nd-place-medal 3rd-place-medal rainbow globe-showing-europe-africa fire pile-of-poo
black-cat black-bird blue-book green-book orange-book red-paper-lantern red-envelope white-cane white-flower baby boy girl
brown-mushroom green-salad grinning-face lab-coat gem-stone polar-bear dollar-banknote yen-banknote euro-banknote
pound-banknote credit-card watermelon kiwi-fruit snowman sunflower skull ghost bone tooth sun fried-shrimp
books pill slot-machine loudspeaker peacock black-large-square cricket-game ping-pong badminton roller-skate nest-with-eggs glass-of-milk pool-8-ball goldfish bar-chart`.split(/\s+/));

const isPerson = thing => thing.label === "person" || thing.slug === "clown-face";

export const isSolid = thing => (SOLID_LABELS.has(thing.label) || SOLID.has(thing.slug)) && !NOT_SOLID.has(thing.slug);

// May a drawing of it, of this colour, be drawn in another? Only where most of it is of one colour.
export function isColourable(thing, info) {
    return isSolid(thing) && !isPerson(thing) && !ONE_COLOUR.has(thing.slug) && !info.square && info.body.share >= 0.6;
}

// Is a drawing of it told by its colour's name?
export const hasColour = (thing, info) => isSolid(thing) && !isPerson(thing) && !info.square && info.body.share >= 0.6;

// May it have a background, be small, stand to one side? Not where the drawing is a square with a background of its own.
export function isPlaceable(thing, info) {
    return !info.square && (isSolid(thing) || ["face", "person", "hand", "heart", "sky"].includes(thing.label));
}

// Things that others can be put on, by where they are drawn from the side with a top.
const BASES = new Set(`table chair sofa couch-and-lamp automobile bus delivery-truck package books rock wood elephant horse turtle
skateboard sled mountain house treasure-chest basket luggage cow camel whale hippopotamus oil-drum wheel bed bathtub
birthday-cake open-book closed-book toolbox laptop tractor rhinoceros`.split(/\s+/));
export const isBase = thing => BASES.has(thing.slug);

// Drawings with a left and a right that may be exchanged: no letters, no hands of a clock.
const SIDED = new Set(["symbol", "flag", "office", "electronics", "hand"]);
export const mayFlip = thing => !SIDED.has(thing.label) && !/medal|clock|watch|calendar|pool-8|map|left|right|taxi|police|slot|hospital|bus-stop|hotel|bank$|atm|store|office|ticket|stop-sign/.test(thing.slug);
