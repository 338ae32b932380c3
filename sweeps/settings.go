package sweeps

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Settings are resolved hyperparameters by name. Values are float64, int64,
// bool or string. Their JSON keeps whole floats apart from integers ("1.0"
// against "1"), also after a round trip through PostgreSQL's jsonb.
type Settings map[string]any

// Float returns a number; ok is false if the key is absent or not a number.
func (s Settings) Float(key string) (float64, bool) { return toFloat(s[key]) }

// Int returns a whole number; ok is false if the key is absent or not one.
func (s Settings) Int(key string) (int64, bool) {
	i, ok := s[key].(int64)
	return i, ok
}

// String returns a string; ok is false if the key is absent or not a string.
func (s Settings) String(key string) (string, bool) {
	v, ok := s[key].(string)
	return v, ok
}

// Bool returns a boolean; ok is false if the key is absent or not one.
func (s Settings) Bool(key string) (value, ok bool) {
	v, ok := s[key].(bool)
	return v, ok
}

// MarshalJSON writes the canonical form: keys in order, no blanks.
func (s Settings) MarshalJSON() ([]byte, error) {
	if s == nil {
		return []byte("null"), nil
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, key := range slices.Sorted(maps.Keys(s)) {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(key)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		switch v := s[key].(type) {
		case float64:
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("setting %s is %v, which JSON cannot hold", key, v)
			}
			b.WriteString(formatFloat(v))
		case int64, bool, string:
			text, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			b.Write(text)
		default:
			return nil, fmt.Errorf("setting %s has type %T; only float64, int64, bool and string are allowed", key, v)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON reads numbers without a fraction or exponent as int64.
func (s *Settings) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var raw map[string]any
	if err := decoder.Decode(&raw); err != nil {
		return err
	}
	if raw == nil {
		*s = nil
		return nil
	}
	out := make(Settings, len(raw))
	for key, v := range raw {
		switch v := v.(type) {
		case json.Number:
			if i, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
				out[key] = i
				continue
			}
			f, err := v.Float64()
			if err != nil {
				return fmt.Errorf("setting %s: %w", key, err)
			}
			out[key] = f
		case bool, string:
			out[key] = v
		default:
			return fmt.Errorf("setting %s is neither a number, a boolean nor a string", key)
		}
	}
	*s = out
	return nil
}

// formatFloat writes a float so that it reads back as the same float and never
// looks like an integer, also after jsonb has written the exponent out.
func formatFloat(f float64) string {
	if f == 0 {
		return "0.0" // also for -0, which jsonb does not know
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.ContainsRune(text, '.') {
		text += ".0"
	}
	return text
}
