//go:build !unix

package serve

import "os"

func divert() *os.File { return os.Stdout }

func inherited(string) (int, bool) { return 0, false }

func watchParent() {}
