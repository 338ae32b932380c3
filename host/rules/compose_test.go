package rules

import (
	"context"
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
