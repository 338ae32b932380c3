package strategy_test

import (
	"reflect"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

func TestByGroup(t *testing.T) {
	b := strategy.Batch{Rows: make([]int32, 5), Groups: []int32{3, 0, 3, 1, 3}}
	if got, want := b.ByGroup(1), [][]int{{1}, {3}, {0, 2, 4}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := b.ByGroup(2), [][]int{{0, 2, 4}}; !reflect.DeepEqual(got, want) {
		t.Errorf("of at least two: got %v, want %v", got, want)
	}
	b.Groups = nil
	if got, want := b.ByGroup(1), [][]int{{0, 1, 2, 3, 4}}; !reflect.DeepEqual(got, want) {
		t.Errorf("without groups: got %v, want %v", got, want)
	}
}

func TestEqualGroups(t *testing.T) {
	b := strategy.Batch{Rows: make([]int32, 4), Groups: []int32{0, 2, 2, 2}}
	if got, want := b.EqualGroups(), []float32{2, 2. / 3, 2. / 3, 2. / 3}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestGroupSizes(t *testing.T) {
	sizes, err := strategy.Config{Open: sdk.StrategyOpenRequest{Groups: []int32{2, 0, 2}}}.GroupSizes()
	if want := []int{1, 0, 2}; err != nil || !reflect.DeepEqual(sizes, want) {
		t.Errorf("got %v and %v, want %v", sizes, err, want)
	}
	if _, err := (strategy.Config{}).GroupSizes(); sdk.CodeOf(err) != sdk.CodeBadRequest {
		t.Errorf("without groups: got %v, want bad_request", err)
	}
}
