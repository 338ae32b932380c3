// Program site writes the documentation of the repository as a static site that
// needs no network: the readme, guides, the plugin manual, the SQL reference and the
// pages of the methods. It reads files alone and must never import the host's other
// packages. Start at build; make site runs it.
package main
