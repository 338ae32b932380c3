package dataset

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// keySize is the number of bytes of an installation key.
const keySize = 32

// Key returns the installation key in the file at path, and creates it (mode
// 0600) on first use. The key turns identifiers into unit hashes: with another
// key the same patient has another hash.
func Key(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read installation key: %w", err)
	}
	if len(key) != keySize {
		return nil, fmt.Errorf("read installation key: %s has %d bytes instead of %d; it is damaged, restore it from a backup", path, len(key), keySize)
	}
	return key, nil
}

func newKey(path string) ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("create installation key: %w", err)
	}
	key := make([]byte, keySize)
	rand.Read(key)                                           // never fails
	temp, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("create installation key: %w", err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(key)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return nil, fmt.Errorf("create installation key: %w", err)
	}
	// A link, not a rename: of two processes that start together one key wins.
	if err := os.Link(temp.Name(), path); errors.Is(err, fs.ErrExist) {
		return Key(path)
	} else if err != nil {
		return nil, fmt.Errorf("create installation key: %w", err)
	}
	return key, nil
}

// unitHash is HMAC-SHA256 of an identifier, cut to 64 bits. The dataset's name
// is part of it: a patient in two datasets has two hashes.
func unitHash(key []byte, dataset, id string) int64 {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s|%s", dataset, id)
	return int64(binary.BigEndian.Uint64(mac.Sum(nil)))
}

// KeyID tells keys apart without giving one away.
func KeyID(key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("key id"))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}
