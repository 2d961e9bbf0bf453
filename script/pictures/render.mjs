// SVG to PNG and to pixels, by resvg (the package is that of the folder WORK).
import { createRequire } from "node:module";
import path from "node:path";

export function openRenderer(work) {
    const { Resvg } = createRequire(path.join(path.resolve(work), "package.json"))("@resvg/resvg-js");
    const font = { loadSystemFonts: false };
    const render = (svg, side, background) => new Resvg(svg, { fitTo: { mode: "width", value: side }, font, background }).render();
    return {
        png: (svg, side) => render(svg, side, "#ffffff").asPng(),
        pixels: (svg, side) => render(svg, side).pixels, // RGBA, four bytes each
    };
}
