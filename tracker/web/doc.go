// Package web serves the pages of a tracker: sweeps, their comparison, single
// runs, and a console for SQL. Pages are rendered on the server by html/template
// with charts as SVG, so that they need no script to be read; a small script adds
// live updates. Every asset is embedded, and nothing is asked of another host.
//
// What needs data or plugins (comparisons, the catalogue) is handed in by the
// program as functions of Config: the package must never import host or sweeps.
// Numbers are printed by tracker/shown, as on the command line. Start at New.
package web
