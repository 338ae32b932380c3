package rules

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

func loadCompose(t *testing.T, content string, environment map[string]string) (*types.Project, error) {
	t.Helper()
	return loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir:  root(t),
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(root(t), "compose.yaml"), Content: []byte(content)}},
		Environment: environment,
	}, loader.WithProfiles([]string{"*"}))
}

func TestCompose(t *testing.T) {
	content := read(t, "compose.yaml")
	password := map[string]string{"DECONFOUND_PASSWORD": "a-secret"}
	project, err := loadCompose(t, content, password)
	if err != nil {
		t.Fatal(err)
	}
	if project.Name != "deconfound" {
		t.Errorf("the project is called %q", project.Name)
	}
	for _, name := range []string{"postgres", "migrate", "worker", "deconfound"} {
		if _, ok := project.Services[name]; !ok {
			t.Errorf("there is no service %s", name)
		}
	}
	worker := project.Services["worker"]
	if worker.GetScale() < 2 {
		t.Errorf("%d worker: one alone does not show that a sweep is shared", worker.GetScale())
	}
	if dsn := worker.Environment["DECONFOUND_DSN"]; dsn == nil || !strings.Contains(*dsn, ":a-secret@postgres:5432/") {
		t.Error("workers do not get the password of the server")
	}
	if d := worker.DependsOn["migrate"]; d.Condition != "service_completed_successfully" {
		t.Error("workers start before the schema is there")
	}
	if image := project.Services["postgres"].Image; image != "postgres:17" {
		t.Errorf("the server is %s\n\trule: a named major version; data directories do not survive a change of it", image)
	}
	if strings.Contains(content, "a-secret") || strings.Contains(content, "PASSWORD: deconfound") {
		t.Error("compose.yaml holds a password")
	}
	password["POSTGRES_VERSION"] = "15"
	if older, err := loadCompose(t, content, password); err != nil || older.Services["postgres"].Image != "postgres:15" {
		t.Errorf("with POSTGRES_VERSION=15: %v", err)
	}
}

// Grafana reads as the analyst, from what the repository provisions, and is seen by
// this machine alone.
func TestCompose_Grafana(t *testing.T) {
	project, err := loadCompose(t, read(t, "compose.yaml"), map[string]string{"DECONFOUND_PASSWORD": "a-secret", "DECONFOUND_ANALYST_PASSWORD": "read-only", "GRAFANA_PASSWORD": "admin-secret"})
	if err != nil {
		t.Fatal(err)
	}
	grafana, analyst := project.Services["grafana"], project.Services["analyst"]
	for name, want := range map[string]string{"DECONFOUND_GRAFANA_HOST": "postgres:5432", "DECONFOUND_ANALYST_PASSWORD": "read-only", "GF_SECURITY_ADMIN_PASSWORD": "admin-secret"} {
		if got := grafana.Environment[name]; got == nil || *got != want {
			t.Errorf("%s is not %s", name, want)
		}
	}
	for name, value := range grafana.Environment {
		if value != nil && strings.Contains(*value, "a-secret") {
			t.Errorf("%s gives Grafana the password of the owner", name)
		}
	}
	if len(grafana.Ports) != 1 || grafana.Ports[0].HostIP != "127.0.0.1" {
		t.Errorf("it listens on %+v", grafana.Ports)
	}
	if d := grafana.DependsOn["analyst"]; d.Condition != "service_completed_successfully" || analyst.DependsOn["migrate"].Condition != d.Condition {
		t.Error("the analyst has no password yet when Grafana starts")
	}
	mounted := map[string]string{}
	for _, v := range grafana.Volumes {
		mounted[v.Target] = v.Source
	}
	for target, file := range map[string]string{
		"/etc/grafana/provisioning":   "datasources/deconfound.yaml",
		"/var/lib/grafana/dashboards": "deconfound.json",
	} {
		if _, err := os.Stat(filepath.Join(mounted[target], file)); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
	source := read(t, "docs/grafana/provisioning/datasources/deconfound.yaml")
	for _, variable := range []string{"DECONFOUND_GRAFANA_HOST", "DECONFOUND_ANALYST_PASSWORD"} {
		if !strings.Contains(source, "${"+variable+"}") {
			t.Errorf("the data source does not read %s", variable)
		}
	}
	if dashboards := read(t, "docs/grafana/provisioning/dashboards/deconfound.yaml"); !strings.Contains(dashboards, "/var/lib/grafana/dashboards") {
		t.Error("the dashboards are looked for elsewhere")
	}
}

// The validation must be able to fail.
func TestCompose_Bites(t *testing.T) {
	content := read(t, "compose.yaml")
	password := map[string]string{"DECONFOUND_PASSWORD": "a-secret"}
	if _, err := loadCompose(t, content, nil); err == nil || !strings.Contains(err.Error(), "set a password first") {
		t.Errorf("without a password: %v", err)
	}
	if _, err := loadCompose(t, strings.Replace(content, "healthcheck:", "healtcheck:", 1), password); err == nil {
		t.Error("a misspelt key is accepted")
	}
	if _, err := loadCompose(t, strings.Replace(content, "      migrate: {condition", "      migrated: {condition", 1), password); err == nil {
		t.Error("a service that does not exist is depended on")
	}
}
