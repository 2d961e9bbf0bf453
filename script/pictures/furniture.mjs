// What no set draws and people put things on: a table, in every set's scenes.
export const TABLE = {
    body: '<path fill="#8a5a34" d="M14 44h8v56h-8zM78 44h8v56h-8z"/><path fill="#6f4526" d="M14 44h8v8h-8zM78 44h8v8h-8z"/>' +
        '<rect x="2" y="34" width="96" height="12" rx="3" fill="#b57a48"/><rect x="2" y="34" width="96" height="4" rx="2" fill="#cf9763"/>',
    box: [0, 16, 100],
};

const info = { box: [0.02, 0.18, 0.98, 0.84], square: false, rest: 0, body: { hue: null, lab: [0, 0, 0], share: 0 } };

// What is known of any drawing; infos: of those of the sets, by "set/icon".
export const infosWith = infos => ({ set, icon }) => (icon === "table" ? info : infos[`${set}/${icon}`]);
