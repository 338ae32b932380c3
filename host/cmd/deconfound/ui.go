package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/web"
)

// tokenVariable holds what visitors of the pages have to know.
const tokenVariable = "DECONFOUND_UI_TOKEN"

// minToken is the length below which a token can be guessed.
const minToken = 16

// uiRequest is where the pages are served, and to whom.
type uiRequest struct {
	listen    string
	hosts     []string
	tokenFile string
	behindTLS bool
	userHead  string
}

// served is where the pages are, printed when they can be read.
type served struct {
	URL string `json:"url"`
}

func newUI(a *app) *cobra.Command {
	var request uiRequest
	cmd := &cobra.Command{
		Use:   "ui",
		Short: "Serve pages to look at sweeps, comparisons and runs",
		Long: `Serves web pages: sweeps as they train, leaderboards, the comparison of variants,
single runs with curves and diagnostics, and a console for read-only SQL. They need
no network beyond this address, and nothing is loaded from elsewhere.

By default they are there for this machine alone. Another address needs a token
that visitors enter once, in the file --token-file or in ` + tokenVariable + `, of at
least 16 characters, for example that of 'openssl rand -hex 16'.

The pages are served without TLS. On another address than loopback put a proxy in
front that does it, let it pass the Host header on, name it with --host, and say
--behind-tls, so that the session's cookie is sent by HTTPS alone. With Caddy:

  deconfound.example.org {
    reverse_proxy 127.0.0.1:8600
  }

  ` + tokenVariable + `=... deconfound ui --host deconfound.example.org --behind-tls

A server that is reached by a proxy needs the token too, though it listens on
loopback: --host asks for it.

A proxy that logs visitors in (OIDC, such as oauth2-proxy) names them in a header:
say which with --user-header, and let the proxy send the token with every request,
as Authorization: Bearer. Requests without both are refused. The proxy must remove
that header from what visitors send.

The SQL console needs the login ` + tracker.AnalystRole + `. Where that has a password name it
with ` + analystVariable + `=postgres://...`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.ui(cmd.Context(), request) },
	}
	cmd.Flags().StringVar(&request.listen, "listen", "127.0.0.1:8600", "address and port; port 0 takes any")
	cmd.Flags().StringArrayVar(&request.hosts, "host", nil, "a name by which browsers call this server, beside localhost and addresses")
	cmd.Flags().StringVar(&request.tokenFile, "token-file", "", "file with the token (default: the variable "+tokenVariable+")")
	cmd.Flags().StringVar(&request.userHead, "user-header", "", "header in which a proxy that logs visitors in names them, e.g. X-Forwarded-User")
	cmd.Flags().BoolVar(&request.behindTLS, "behind-tls", false, "a proxy in front does TLS")
	return cmd
}

// token reads the token and refuses to serve strangers without one.
func (r uiRequest) token() (string, error) {
	token := os.Getenv(tokenVariable)
	if r.tokenFile != "" {
		text, err := os.ReadFile(r.tokenFile)
		if err != nil {
			return "", fmt.Errorf("read token: %w", err)
		}
		token = string(text)
	}
	token = strings.TrimSpace(token)
	host, _, err := net.SplitHostPort(r.listen)
	if err != nil {
		return "", withExit(exitUsage, fmt.Errorf("--listen %s: %w", r.listen, err))
	}
	address, err := netip.ParseAddr(host)
	loopback := host == "localhost" || err == nil && address.IsLoopback()
	if token == "" && (!loopback || len(r.hosts) > 0 || r.behindTLS || r.userHead != "") {
		return "", withExit(exitUsage, fmt.Errorf("others than this machine can call %s: give a token in --token-file or %s; 'deconfound ui --help' says how", r.listen, tokenVariable))
	}
	if token != "" && len(token) < minToken {
		return "", withExit(exitUsage, fmt.Errorf("the token has %d characters; at least %d are needed", len(token), minToken))
	}
	return token, nil
}

func (a *app) ui(ctx context.Context, request uiRequest) error {
	token, err := request.token()
	if err != nil {
		return err
	}
	store, err := a.tracker(ctx)
	if err != nil {
		return err
	}
	server, err := web.New(web.Config{
		Store: store, Token: token, Hosts: request.hosts, Secure: request.behindTLS, UserHeader: request.userHead, Version: version,
		Log:     slog.New(slog.NewTextHandler(a.errs, nil)),
		Compare: func(ctx context.Context, q web.Question) (web.Comparison, error) { return webComparison(ctx, store, q) },
		Kept:    func(ctx context.Context, q web.Question) (web.Comparison, bool, error) { return webKept(ctx, store, q) },
		Audit: func(ctx context.Context, hash string) (web.DatasetAudit, bool, error) {
			return webAudit(ctx, store, hash)
		},
		Selection: func(ctx context.Context, q web.Question) (web.Selection, bool, error) {
			return webSelection(ctx, store, q)
		},
		Comparable: func(metric string) bool {
			_, err := stats.ParseMetric(metric)
			return err == nil
		},
		Expected: func(ctx context.Context, sweep tracker.Sweep) (int, error) {
			status, err := sweeps.StatusOf(ctx, store, sweep.Name)
			if status.ID != sweep.ID {
				return 0, err // of another owner's sweep
			}
			return status.Expected, err
		},
		Plugins: a.webPlugins,
	})
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", request.listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if a.json {
		err = a.print(served{"http://" + listener.Addr().String() + "/"}, nil)
	} else {
		_, err = fmt.Fprintf(a.errs, "http://%s/ (Ctrl-C ends it)\n", listener.Addr())
	}
	if err != nil {
		return err
	}
	return server.Serve(ctx, listener)
}

// webPlugins lists the installed plugins for the catalogue.
func (a *app) webPlugins(ctx context.Context) ([]web.Plugin, error) {
	list := []web.Plugin{}
	for _, e := range a.plugins().List("") {
		list = append(list, webPlugin(a.describe(ctx, e)))
	}
	return list, ctx.Err()
}

func webPlugin(l listedPlugin) web.Plugin {
	p := web.Plugin{
		Kind: string(l.Kind), Name: l.Name, Version: l.Version, Licence: l.Licence, Citation: l.Citation, Text: l.Text,
		Locked: l.Locked, Problem: l.Problem,
	}
	for _, h := range l.Hyperparameters {
		s := web.PluginSetting{Name: h.Name, Type: string(h.Type), Default: fmt.Sprint(h.Default), Text: h.Text, Range: strings.Join(h.Values, ", ")}
		if h.Min != nil && h.Max != nil {
			s.Range = fmt.Sprintf("%g to %g", float64(*h.Min), float64(*h.Max))
		}
		p.Settings = append(p.Settings, s)
	}
	return p
}
