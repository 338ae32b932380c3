package web

import (
	"context"
	"net/http"
	"sync"
)

// Plugin is what a plugin says of itself.
type Plugin struct {
	Kind, Name, Version, Licence, Citation, Text string
	Locked                                       string
	Problem                                      string // why it could not be asked
	Settings                                     []PluginSetting
}

// PluginSetting is a hyperparameter of a plugin.
type PluginSetting struct{ Name, Type, Default, Range, Text string }

// pluginsPage asks the plugins once: they do not change under a program that runs.
func (s *Server) pluginsPage(w http.ResponseWriter, r *http.Request) error {
	if s.config.Plugins == nil {
		return notFound("the catalogue is not part of this server")
	}
	list, err := s.catalogue.get(r.Context(), s.config.Plugins)
	if err != nil {
		return err
	}
	return s.render(w, r, "plugins", "Plugins", list)
}

// catalogue keeps the answer of the plugins.
type catalogue struct {
	mu   sync.Mutex
	list []Plugin
}

func (c *catalogue) get(ctx context.Context, ask func(context.Context) ([]Plugin, error)) ([]Plugin, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.list == nil {
		list, err := ask(ctx)
		if err != nil {
			return nil, err
		}
		c.list = list
	}
	return c.list, nil
}
