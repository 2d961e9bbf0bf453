# Weaves a page from its parts, and from the source that it speaks of:
#     awk -v folder=cli -v source=. -v array=lt_explain_page -f weave.awk explain.html >explain_page.c
# array: as C, with that name; without it the page as it stands. A line {{file NAME}} is that file of folder, {{module NAME}}
# a module without its exports, for a page in one piece; {{code FILE NAME}} is what of the source's FILE defines NAME, with its
# place, so that what a page says of the program is what the program does.
function escaped(text) {
    gsub(/\\/, "\\\\&", text)
    gsub(/"/, "\\\"", text)
    gsub(/\n/, "\\n", text)
    return text
}
function put(text) { print array ? "    \"" escaped(text) "\\n\"" : text }
function put_html(text) {
    gsub(/&/, "\\&amp;", text)
    gsub(/</, "\\&lt;", text)
    gsub(/>/, "\\&gt;", text)
    put(text)
}
function fail(what) {
    print "weave.awk: " what >"/dev/stderr"
    failed = 1
    exit 1
}
function put_file(path, module,   line, some) {
    while ((getline line <path) > 0) {
        if (module) sub(/^export /, "", line)
        put(line)
        some = 1
    }
    close(path)
    if (!some) fail("no file " path)
}
# From the line at the margin that has "NAME(" and opens a body, or the comment right above it, to the brace that ends it.
function put_code(file, name,   path, line, n, begins, comment, inside, found) {
    path = source "/" file
    while ((getline line <path) > 0) {
        n++
        if (inside) {
            put_html(line)
            if (line ~ /^}/) break
        } else if (line ~ /^\/\*/) { begins = n; comment = line }
        else if (begins && line ~ /^ \*/) comment = comment "\n" line
        else if (line ~ "^[a-z].*[ *]" name "\\(" && line !~ /;$/) {
            found = n
            if (!begins) begins = n
            put("<details class=\"code\" data-code=\"" file " " name "\"><summary><code>" file ":" found "</code> <b>" name "</b></summary><pre>")
            if (comment != "") put_html(comment)
            put_html(line)
            inside = line !~ /}$/
            if (!inside) break
        } else { begins = 0; comment = "" }
    }
    close(path)
    if (!found) fail("no " name " in " path)
    put("</pre></details>")
}
BEGIN {
    if (array) print "/* Made by weave.awk. */\n#include \"explain_page.h\"\n\nconst char " array "[] ="
}
/^ *\{\{file .*\}\}$/ { gsub(/[{}]/, ""); put_file(folder "/" $2, 0); next }
/^ *\{\{module .*\}\}$/ { gsub(/[{}]/, ""); put_file(folder "/" $2, 1); next }
/^ *\{\{code .*\}\}$/ { gsub(/[{}]/, ""); put_code($2, $3); next }
{ put($0) }
END { if (!failed && array) print "    ;" }
