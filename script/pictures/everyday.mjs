// What people call the things whose official names nobody types: slug, then the names, of which the first leads and
// is the one in compositions. A name's head may be followed by "of ..." or "with ...".
const lines = `
high-voltage: lightning bolt, lightning, bolt of lightning
hot-beverage: cup of coffee, coffee, cup of tea, coffee cup, mug of coffee, hot drink
cup-with-straw: soft drink, soda, cup of soda, drink with a straw
mage: wizard, sorcerer, mage, magician
pizza: pizza, slice of pizza, pizza slice, piece of pizza
automobile: car, automobile, auto
oncoming-automobile: car from the front, oncoming car
sport-utility-vehicle: suv, off-road car, jeep
hamburger: hamburger, burger, cheeseburger
french-fries: french fries, fries, chips
hot-dog: hot dog, sausage in a bun
sandwich: sandwich
soft-ice-cream: ice cream, ice cream cone, soft ice cream
ice-cream: bowl of ice cream, ice cream sundae
shaved-ice: shaved ice, snow cone
doughnut: donut, doughnut
shortcake: piece of cake, slice of cake, strawberry cake, shortcake
birthday-cake: birthday cake, cake, cake with candles
cookie: cookie, biscuit, chocolate chip cookie
bread: loaf of bread, bread
baguette-bread: baguette, french bread
cheese-wedge: piece of cheese, cheese, wedge of cheese
chocolate-bar: chocolate bar, chocolate, bar of chocolate
meat-on-bone: meat on the bone, piece of meat
cut-of-meat: steak, cut of meat, piece of meat
poultry-leg: chicken leg, drumstick
cooking: fried egg, fried egg in a pan
egg: egg
cooked-rice: bowl of rice, rice
curry-rice: curry with rice, curry, plate of curry
steaming-bowl: bowl of soup, bowl of noodles, ramen, noodle soup
spaghetti: plate of spaghetti, spaghetti, pasta, noodles
green-salad: salad, green salad, bowl of salad
pot-of-food: pot of stew, pot of food, stew
shallow-pan-of-food: paella, pan of food
fork-and-knife-with-plate: plate with fork and knife, dinner plate, plate
fork-and-knife: fork and knife, knife and fork, cutlery
kitchen-knife: kitchen knife, knife
wine-glass: glass of red wine, glass of wine, wine glass, red wine
cocktail-glass: cocktail, cocktail glass, martini
tropical-drink: tropical drink, cocktail with an umbrella, fruit cocktail
beer-mug: mug of beer, beer, glass of beer, beer mug
clinking-beer-mugs: two beers, beer mugs, clinking beer mugs
clinking-glasses: champagne glasses, clinking glasses, toast
tumbler-glass: glass of whiskey, whiskey, tumbler
glass-of-milk: glass of milk, milk
bottle-with-popping-cork: bottle of champagne, champagne bottle, champagne, bottle of wine
teacup-without-handle: cup of green tea, teacup, green tea
beverage-box: juice box, carton of juice
sake: bottle of sake, sake
fried-shrimp: fried shrimp, fried prawn
takeout-box: takeout box, box of noodles, chinese food
canned-food: can of food, tin can, can
honey-pot: pot of honey, honey pot, honey, jar of honey
popcorn: box of popcorn, popcorn
candy: candy, sweet, piece of candy
lollipop: lollipop, lolly
custard: pudding, custard, flan
pancakes: stack of pancakes, pancakes
bubble-tea: bubble tea, boba tea
mate: cup of mate, mate
stuffed-flatbread: kebab, doner kebab, stuffed flatbread
ice: ice cube, ice
salt: salt shaker, salt
butter: piece of butter, butter, stick of butter
bacon: strips of bacon, bacon
red-apple: apple, red apple
grapes: bunch of grapes, grapes
cherries: pair of cherries, cherries
tangerine: orange, tangerine, mandarin
ear-of-corn: ear of corn, corn, corn on the cob
hot-pepper: chili pepper, hot pepper, red pepper, chili
bell-pepper: bell pepper, green pepper, pepper
kiwi-fruit: kiwi, kiwi fruit
eggplant: eggplant, aubergine
brown-mushroom: brown mushroom, champignon
mushroom: mushroom, toadstool, red mushroom
leafy-green: lettuce, cabbage, leafy green
broccoli: broccoli
garlic: clove of garlic, garlic, head of garlic
ginger-root: ginger, ginger root
peanuts: peanuts, nuts
pea-pod: pea pod, peas
root-vegetable: turnip, beet, root vegetable
dog-face: face of a dog, dog's face, head of a dog
cat-face: face of a cat, cat's face, head of a cat
cow-face: face of a cow, cow's face, head of a cow
horse-face: face of a horse, horse's face, head of a horse
pig-face: face of a pig, pig's face, head of a pig
mouse-face: face of a mouse, mouse's face, head of a mouse
rabbit-face: face of a rabbit, bunny face, bunny, head of a rabbit
tiger-face: face of a tiger, tiger's face, head of a tiger
monkey-face: face of a monkey, monkey's face, head of a monkey
dragon-face: face of a dragon, dragon's head, head of a dragon
fox: fox
ewe: sheep, ewe
ram: ram
hippopotamus: hippo, hippopotamus
rhinoceros: rhino, rhinoceros
guide-dog: guide dog
two-hump-camel: two-humped camel, bactrian camel
camel: camel, dromedary
water-buffalo: water buffalo, buffalo
boar: wild boar, boar
paw-prints: paw prints, paws
baby-chick: chick, baby chick, baby chicken
front-facing-baby-chick: chick from the front, chick with wings
hatching-chick: hatching chick, chick in an egg
rooster: rooster, cock
chicken: chicken, hen, face of a chicken
honeybee: bee, honeybee, honey bee
lady-beetle: ladybug, ladybird, lady beetle
bug: caterpillar, bug
spouting-whale: spouting whale, whale with a fountain
blowfish: blowfish, pufferfish
dove: dove, white dove, pigeon
t-rex: t-rex, tyrannosaurus rex, tyrannosaurus, dinosaur
sauropod: sauropod, long-necked dinosaur, brontosaurus
black-bird: black bird, crow, raven, blackbird
bird: bird, bluebird
microbe: microbe, germ, virus, bacterium
spiral-shell: seashell, shell, spiral shell
spider-web: spider web, cobweb
deciduous-tree: tree, deciduous tree, green tree
evergreen-tree: pine tree, fir tree, evergreen tree, evergreen
palm-tree: palm tree, palm
potted-plant: potted plant, plant in a pot, houseplant
seedling: seedling, sprout, young plant
four-leaf-clover: four-leaf clover, lucky clover
leaf-fluttering-in-wind: green leaf, leaf in the wind, leaves
fallen-leaf: autumn leaf, fallen leaf, brown leaves
herb: herb, green leaves
blossom: yellow flower, blossom
bouquet: bouquet of flowers, bunch of flowers, bouquet
cherry-blossom: cherry blossom, pink flower
sheaf-of-rice: sheaf of rice, ear of rice
wilted-flower: wilted flower, wilted rose
rose: rose, red rose
house: house, home
house-with-garden: house with a garden, house with a tree
houses: houses, row of houses
derelict-house: old house, derelict house, abandoned house
building-construction: construction site, crane
classical-building: classical building, greek temple, museum
office-building: office building, skyscraper, tall building
castle: castle, european castle, fortress
cityscape: city, cityscape, skyline
night-with-stars: city at night, night with stars
cityscape-at-dusk: city at dusk, cityscape at dusk
desert-island: desert island, island, tropical island
beach-with-umbrella: beach, beach with an umbrella
camping: campsite, camping, tent in the woods
tent: tent
snow-capped-mountain: snowy mountain, mountain with snow, snow-capped mountain
mountain: mountain
volcano: volcano, erupting volcano
bridge-at-night: bridge, bridge at night
carousel-horse: carousel horse, merry-go-round
ferris-wheel: ferris wheel, big wheel
circus-tent: circus tent, circus
globe-showing-europe-africa: earth, globe, planet earth, world
globe-showing-americas: globe showing the americas
globe-showing-asia-australia: globe showing asia and australia
globe-with-meridians: globe with lines, globe grid, internet
national-park: national park, landscape
sunrise: sunrise over the sea, sunrise
sunset: sunset, sunset over buildings
sunrise-over-mountains: sunrise over mountains
hospital: hospital
school: school, school building
factory: factory
church: church
luggage: suitcase, luggage
brick: brick, bricks, brick wall
rock: rock, stone
wood: log, wood, logs
bus: bus
oncoming-bus: bus from the front, oncoming bus
trolleybus: trolleybus
taxi: taxi, cab, yellow taxi
police-car: police car
fire-engine: fire engine, fire truck
delivery-truck: truck, delivery truck, lorry
articulated-lorry: big truck, semi truck, articulated lorry
pickup-truck: pickup truck, pickup
racing-car: race car, racing car, formula one car
motorcycle: motorcycle, motorbike
motor-scooter: scooter, motor scooter, moped
kick-scooter: kick scooter
bicycle: bicycle, bike
auto-rickshaw: auto rickshaw, tuk-tuk, rickshaw
locomotive: steam train, locomotive, steam locomotive, steam engine
train: train from the front, train
high-speed-train: high-speed train, fast train
bullet-train: bullet train
metro: subway train, metro, subway
railway-car: railway car, train car, wagon
airplane: airplane, plane, aeroplane, jet
small-airplane: small airplane, small plane, propeller plane
flying-saucer: ufo, flying saucer, spaceship
ship: ship
passenger-ship: cruise ship, passenger ship
sailboat: sailboat, sailing boat, boat
speedboat: speedboat, fast boat
motor-boat: motorboat, motor boat
canoe: canoe, kayak
police-car-light: siren, police light
vertical-traffic-light: traffic light, traffic lights, stoplight
horizontal-traffic-light: horizontal traffic light
construction: road barrier, construction barrier
fuel-pump: gas pump, fuel pump, petrol pump
oil-drum: barrel, oil barrel, oil drum
manual-wheelchair: wheelchair
ring-buoy: life buoy, lifebuoy, ring buoy
aerial-tramway: cable car, aerial tramway
mobile-phone: phone, mobile phone, cell phone, smartphone
telephone: old telephone, telephone, dial phone
telephone-receiver: telephone receiver, handset
desktop-computer: computer, desktop computer, pc, monitor
laptop: laptop, laptop computer, notebook computer
television: tv, television, television set
light-bulb: light bulb, lightbulb, bulb
flashlight: flashlight, torch
candle: candle
electric-plug: plug, electric plug
magnifying-glass-tilted-left: magnifying glass, magnifier
magnifying-glass-tilted-right: magnifying glass to the right
optical-disk: cd, disc
dvd: dvd
floppy-disk: floppy disk, diskette
computer-mouse: computer mouse
movie-camera: movie camera, film camera
clapper-board: clapperboard, movie clapper
camera-with-flash: camera with flash
headphone: headphones, headset
musical-keyboard: piano keyboard, piano, keyboard keys
drum: drum
musical-note: musical note, music note
musical-notes: musical notes, music notes, music
speaker-high-volume: loud speaker, speaker
bell: bell
video-game: game controller, gamepad, video game
joystick: joystick
game-die: die, dice
pool-8-ball: eight ball, billiard ball, pool ball
soccer-ball: soccer ball, football
american-football: american football, football
bullseye: target, dartboard, bullseye
wrapped-gift: gift, present, wrapped present, gift box
party-popper: party popper, confetti popper
jack-o-lantern: halloween pumpkin, pumpkin, jack-o'-lantern
christmas-tree: christmas tree, xmas tree
teddy-bear: teddy bear, teddy
heart-suit: heart card suit
puzzle-piece: puzzle piece, jigsaw piece
framed-picture: framed picture, painting
artist-palette: paint palette, artist palette, palette
performing-arts: theatre masks, theater masks
1st-place-medal: gold medal, first place medal
2nd-place-medal: silver medal, second place medal
3rd-place-medal: bronze medal, third place medal
sports-medal: medal, sports medal
trophy: trophy, cup, golden trophy
yarn: ball of yarn, yarn, ball of wool
thread: spool of thread, thread
fishing-pole: fishing rod, fishing pole
flag-in-hole: golf hole, golf flag
ping-pong: table tennis, ping pong paddle, ping pong
badminton: badminton racket, badminton
tennis: tennis racket, tennis racket and ball, tennis
bowling: bowling ball, bowling pins, bowling
water-pistol: water pistol, water gun, toy gun
kite: kite
t-shirt: t-shirt, shirt, tee
jeans: jeans, pants, trousers, pair of jeans
necktie: shirt and tie, tie, necktie
billed-cap: cap, baseball cap
top-hat: top hat, hat
womans-hat: sun hat, woman's hat
graduation-cap: graduation cap
running-shoe: sneaker, running shoe, trainer
mans-shoe: shoe, leather shoe, man's shoe
high-heeled-shoe: high heel, high-heeled shoe
womans-boot: boot, woman's boot
hiking-boot: hiking boot
womans-clothes: blouse, woman's clothes
thong-sandal: flip-flop, thong sandal
one-piece-swimsuit: swimsuit, bathing suit
gem-stone: diamond, gem, jewel, gemstone
ring: ring, diamond ring
crown: crown, golden crown
glasses: glasses, eyeglasses, spectacles
backpack: backpack, school bag, rucksack
shopping-bags: shopping bags, bags
handbag: handbag
rescue-workers-helmet: helmet, hard hat
folding-hand-fan: hand fan, fan
coat: coat, jacket
socks: socks, pair of socks
gloves: gloves, pair of gloves
closed-book: book, closed book, red book
open-book: open book
books: books, stack of books, pile of books
scroll: scroll, parchment
newspaper: newspaper
money-bag: money bag, bag of money, sack of money
money-with-wings: flying money
dollar-banknote: dollar bills, dollars, money, banknote
coin: coin, gold coin
e-mail: e-mail, email
envelope: envelope, letter, mail
closed-mailbox-with-raised-flag: mailbox
postbox: red mailbox, postbox, letterbox
package: box, package, cardboard box, parcel
memo: note and pencil, memo
pencil: pencil
black-nib: pen nib
pen: pen, ballpoint pen
paintbrush: paintbrush, brush
round-pushpin: red pin, pin
pushpin: thumbtack, pushpin
wastebasket: trash can, wastebasket, bin
straight-ruler: ruler, straight ruler
spiral-calendar: spiral calendar
spiral-notepad: notepad
treasure-chest: treasure chest, chest of gold
locked: lock, padlock, locked padlock
unlocked: open lock, unlocked padlock
locked-with-key: lock and key, lock with a key
old-key: old key, antique key
gear: gear, cogwheel, cog
carpentry-saw: saw, handsaw
hammer-and-wrench: hammer and wrench, tools
nut-and-bolt: nut and bolt, bolt and nut
crossed-swords: swords, crossed swords, two swords
dagger: dagger, sword
bow-and-arrow: bow and arrow
balance-scale: scales, balance scale, balance
alembic: alembic, distillation flask
test-tube: test tube
syringe: syringe, injection
pill: pill, capsule
drop-of-blood: drop of blood, blood
adhesive-bandage: bandage, band-aid, plaster
satellite-antenna: satellite dish, dish antenna
chains: chains, chain
link: chain link, link
couch-and-lamp: couch, sofa, couch with a lamp, settee
bathtub: bathtub, bath, tub
chair: chair
bed: bed
door: door
toilet: toilet
roll-of-paper: roll of toilet paper, toilet paper
soap: bar of soap, soap
lotion-bottle: lotion bottle, bottle
shopping-cart: shopping cart, trolley
headstone: gravestone, tombstone, headstone
cigarette: cigarette
sun: sun, bright sun
sun-with-face: sun with a face, smiling sun
crescent-moon: crescent moon, moon, half moon
full-moon: full moon
first-quarter-moon-face: first quarter moon with a face
full-moon-face: moon with a face, full moon with a face
star: star, yellow star, gold star
glowing-star: glowing star, shining star
shooting-star: shooting star, falling star
ringed-planet: planet with rings, saturn, planet
milky-way: milky way, galaxy, night sky
comet: comet, meteor
cloud: cloud, white cloud
cloud-with-rain: rain cloud, rain, rainy cloud
cloud-with-snow: snow cloud, snowy cloud, snow
cloud-with-lightning: storm cloud, cloud with lightning, thundercloud
cloud-with-lightning-and-rain: thunderstorm, storm
sun-behind-cloud: sun behind a cloud, partly cloudy
sun-behind-rain-cloud: sun behind a rain cloud, sun and rain
umbrella-with-rain-drops: umbrella in the rain, umbrella with rain drops
umbrella: umbrella, open umbrella
closed-umbrella: closed umbrella, folded umbrella
umbrella-on-ground: beach umbrella, parasol
fire: fire, flame, flames
droplet: drop of water, water drop, droplet
water-wave: wave, ocean wave, sea wave
snowman: snowman, snowman in the snow
snowflake: snowflake
tornado: tornado, whirlwind
hourglass-done: hourglass, sand timer
hourglass-not-done: hourglass with flowing sand
alarm-clock: alarm clock
mantelpiece-clock: mantel clock, old clock
twelve-oclock: clock, clock face, wall clock
watch: watch, wristwatch
stopwatch: stopwatch, timer
wind-face: wind, face blowing wind
red-heart: heart, red heart
broken-heart: broken heart
heart-on-fire: burning heart, heart on fire
speech-balloon: speech bubble, speech balloon
collision: explosion, boom, bang
dizzy: dizzy star
sweat-droplets: splashing water, drops of water
zzz: zzz, sleep
hundred-points: one hundred, hundred points, 100
grinning-face: happy face, smiley, grinning face, smile
slightly-smiling-face: slight smile, smiling face
smiling-face-with-smiling-eyes: smiling face with smiling eyes, blushing smile
face-with-tears-of-joy: laughing face, crying with laughter, face with tears of joy
rolling-on-the-floor-laughing: rolling on the floor laughing
smiling-face-with-heart-eyes: face with heart eyes, love eyes
smiling-face-with-sunglasses: face with sunglasses, cool face
winking-face: winking face, wink
crying-face: sad face with a tear, crying face
loudly-crying-face: crying face, loudly crying face
frowning-face: sad face, frowning face
angry-face: angry face
enraged-face: red angry face, enraged face
sleeping-face: sleeping face
thinking-face: thinking face
face-screaming-in-fear: screaming face
face-with-medical-mask: face with a mask, sick face with a mask
nauseated-face: green sick face, nauseated face
partying-face: party face
pile-of-poo: poop, pile of poo, poo
clown-face: clown, clown face
goblin: goblin, red mask
ogre: ogre, red demon
alien-monster: space invader, alien monster
skull-and-crossbones: skull and crossbones
see-no-evil-monkey: monkey covering its eyes
hear-no-evil-monkey: monkey covering its ears
speak-no-evil-monkey: monkey covering its mouth
smiling-face-with-horns: devil, smiling devil
angry-face-with-horns: angry devil, imp
smiling-face-with-halo: angel face, face with a halo
santa-claus: santa claus, santa, father christmas
mrs-claus: mrs. claus, mother christmas
merperson: mermaid, merperson
superhero: superhero, hero
supervillain: villain, supervillain
person-with-crown: king, person with a crown
prince: prince
princess: princess
baby-angel: angel, baby angel
police-officer: police officer, policeman, cop
firefighter: firefighter, fireman
cook: chef, cook
health-worker: doctor, nurse, health worker
construction-worker: construction worker, builder
technologist: programmer, person at a computer
old-man: old man, grandfather, grandpa
old-woman: old woman, grandmother, grandma
woman-dancing: dancing woman, dancer
man-dancing: dancing man
person-running: running person, runner
person-walking: walking person
person-biking: cyclist, person on a bike
person-surfing: surfer, person surfing
person-swimming: swimmer, person swimming
hairy-creature: bigfoot, yeti, hairy creature
guard: royal guard, guard
detective: detective, spy
couple-with-heart: couple in love, couple with a heart
family: family
bust-in-silhouette: silhouette of a person, user
footprints: footprints
thumbs-up: thumbs up, thumb up, like
thumbs-down: thumbs down, dislike
waving-hand: waving hand
clapping-hands: clapping hands
folded-hands: praying hands, folded hands
flexed-biceps: strong arm, muscle, biceps
victory-hand: peace sign hand, victory hand
ok-hand: ok hand
raised-hand: raised hand, hand
raised-fist: fist, raised fist
anatomical-heart: human heart, anatomical heart
mouth: lips, mouth
nail-polish: nail polish, painted nails
check-mark: check mark, tick
cross-mark: red x, cross mark, x
red-question-mark: question mark, red question mark
red-exclamation-mark: exclamation mark, red exclamation mark
warning: warning sign
no-entry: no entry sign
prohibited: prohibited sign, forbidden sign
recycling-symbol: recycling symbol
radioactive: radioactive sign, radiation sign
yin-yang: yin and yang, yin yang
chequered-flag: checkered flag, finish flag
triangular-flag: red triangular flag
rainbow-flag: rainbow flag, pride flag
pirate-flag: pirate flag, jolly roger
`;

export const EVERYDAY = new Map(lines.trim().split("\n").map(line => {
    const [slug, names] = line.split(": ");
    return [slug, names.split(", ")];
}));

// Things that only the icon sets draw, or draw too: set, icon, name (official, as emojibase's or a new one), label.
const icons = `
kameleon anvil anvil tool
kameleon baby-cart baby carriage household
kameleon box-open open box household
kameleon butterfly butterfly animal
kameleon castle castle place
kameleon chalkboard chalkboard office
kameleon chicken roast chicken food
kameleon christmas-tree christmas tree activity
kameleon crab crab animal
kameleon dartboard bullseye activity
kameleon dices pair of dice activity
kameleon donut doughnut food
kameleon drakkar viking ship transport
kameleon excavator excavator transport
kameleon hammer hammer tool
kameleon harp harp music
kameleon hook crane hook tool
kameleon joystick joystick electronics
kameleon lamp desk lamp household
kameleon light-bulb light bulb electronics
kameleon luggage-cart luggage cart household
kameleon magic-wand magic wand activity
kameleon microphone-2 microphone music
kameleon microwave microwave oven household
kameleon motorbike motorcycle transport
kameleon nail-varnish nail polish hand
kameleon oven-glove oven glove household
kameleon perfume bottle of perfume household
kameleon pine-tree evergreen tree plant
kameleon popcorn popcorn food
kameleon reindeer reindeer mammal
kameleon robot robot face
kameleon scale-weight kitchen scale household
kameleon skate ice skate clothing
kameleon smartphone mobile phone electronics
kameleon sofa-3 sofa household
kameleon steering-wheel steering wheel transport
kameleon stethoscope stethoscope tool
kameleon strawberry strawberry fruit
kameleon taxi-2 taxi transport
kameleon test-tube flask tool
kameleon traffic-light vertical traffic light transport
kameleon truck delivery truck transport
kameleon ufo flying saucer transport
kameleon wallet wallet clothing
flat-ui basket basket household
flat-ui box package office
flat-ui bulb light bulb electronics
flat-ui calculator calculator office
flat-ui car van transport
flat-ui chair armchair household
flat-ui clipboard clipboard office
flat-ui dynamite dynamite tool
flat-ui key key tool
flat-ui lock locked tool
flat-ui map map place
flat-ui pig piggy bank household
flat-ui pills pill tool
flat-ui printer printer electronics
flat-ui shield shield tool
flat-ui toilet-paper roll of paper household
flat-ui ubmrella umbrella sky
flat-icons alarm-clock alarm clock sky
flat-icons automotive automobile transport
flat-icons binoculars binoculars tool
flat-icons briefcase briefcase office
flat-icons calculator calculator office
flat-icons camcorder video camera electronics
flat-icons camera camera electronics
flat-icons clapperboard clapper board electronics
flat-icons clock twelve o'clock sky
flat-icons factory factory place
flat-icons film film frames electronics
flat-icons filing-cabinet file cabinet office
flat-icons full-trash wastebasket office
flat-icons globe globe showing europe-africa place
flat-icons graduation-cap graduation cap clothing
flat-icons headset headphone music
flat-icons home house place
flat-icons idea light bulb electronics
flat-icons key key tool
flat-icons lock locked tool
flat-icons music musical notes music
flat-icons news newspaper office
flat-icons old-time-camera camera electronics
flat-icons phone telephone receiver electronics
flat-icons pie-chart pie chart office
flat-icons puzzle puzzle piece activity
flat-icons ruler straight ruler office
flat-icons safe safe household
flat-icons search magnifying glass tilted left electronics
flat-icons shop shop place
flat-icons support wrench tool
flat-icons webcam webcam electronics
meteocons barometer-fill barometer tool
meteocons beanie-fill woolly hat clothing
meteocons compass-fill compass place
meteocons glove-fill mitten clothing
meteocons lightning-bolt-fill high voltage sky
meteocons rainbow-fill rainbow sky
meteocons raindrop-fill droplet sky
meteocons snowflake-fill snowflake sky
meteocons clear-day-fill sun sky
meteocons clear-night-fill crescent moon sky
meteocons windsock-fill windsock sky
meteocons umbrella-fill umbrella sky
meteocons thermometer-fill thermometer sky
meteocons snowman-fill snowman without snow sky
meteocons overcast-fill grey cloud sky
`;

export const ICONS = icons.trim().split("\n").map(line => {
    const words = line.split(" ");
    return { set: words[0], icon: words[1], name: words.slice(2, -1).join(" "), label: words.at(-1) };
});
