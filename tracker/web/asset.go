package web

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"mime"
	"net/http"
	"path"
	"time"
)

// asset is an embedded file. Its address has the hash of its content, so that a
// browser may keep it for ever.
type asset struct {
	name, kind, url string
	content         []byte
}

func readAssets() (map[string]asset, error) {
	entries, err := files.ReadDir("static")
	if err != nil {
		return nil, err
	}
	assets := map[string]asset{}
	for _, e := range entries {
		content, err := files.ReadFile("static/" + e.Name())
		if err != nil {
			return nil, err
		}
		hash := sha256.Sum256(content)
		assets[e.Name()] = asset{
			name: e.Name(), kind: mime.TypeByExtension(path.Ext(e.Name())), content: content,
			url: fmt.Sprintf("/static/%s?%x", e.Name(), hash[:6]),
		}
	}
	return assets, nil
}

func (s *Server) asset(w http.ResponseWriter, r *http.Request) error {
	a, ok := s.assets[r.PathValue("name")]
	if !ok {
		return notFound("there is no such file")
	}
	w.Header().Set("Content-Type", a.kind)
	if "/static/"+a.name+"?"+r.URL.RawQuery == a.url {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, a.name, time.Time{}, bytes.NewReader(a.content))
	return nil
}
