package ledger

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// errForged is returned for what was not sealed by a member of this log, or
// not for the place at which it was found.
var errForged = errors.New("not sealed by a replica of this log for this place")

const idSize = 12 // of an entry's id, which is the nonce it is sealed with

// sealer seals what goes into a store, and opens it. What is sealed is bound to
// the incarnation of the log, and to the place named by its parts: an entry to
// its number and the id of the one before it, a record to its key and number.
// So whoever can write the store, but does not have the secret, can neither make
// anything up nor move it. He can put back what was at the same place before.
type sealer struct {
	incarnation string
	aeads       []cipher.AEAD // the first seals, all open
	marks       []byte        // key of mark
}

// newSealer derives the keys of an incarnation (HKDF-SHA256, AES-256-GCM). An
// incarnation is sealed with few enough random nonces: 2^32 would be a hundred
// entries a second for a year.
func newSealer(secrets [][]byte, incarnation string) (*sealer, error) {
	s := &sealer{incarnation: incarnation}
	for _, secret := range secrets {
		key, err := hkdf.Key(sha256.New, secret, []byte(incarnation), "share-proxy ledger seal", 32)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		s.aeads = append(s.aeads, aead)
	}
	var err error
	s.marks, err = hkdf.Key(sha256.New, secrets[0], []byte(incarnation), "share-proxy ledger mark", 32)
	return s, err
}

// sealAs seals with a nonce that is kept elsewhere, and used once.
func (s *sealer) sealAs(nonce string, plain []byte, place ...string) []byte {
	return s.aeads[0].Seal(nil, []byte(nonce), plain, s.bind(place))
}

func (s *sealer) openAs(nonce string, sealed []byte, place ...string) ([]byte, error) {
	if len(nonce) != idSize {
		return nil, errForged
	}
	plain, _, err := s.openBy(nonce, sealed, place...)
	return plain, err
}

// openBy tells, too, by which of the keys it was sealed.
func (s *sealer) openBy(nonce string, sealed []byte, place ...string) (plain []byte, key int, err error) {
	aad := s.bind(place)
	for i, aead := range s.aeads {
		if plain, err := aead.Open(nil, []byte(nonce), sealed, aad); err == nil {
			return plain, i, nil
		}
	}
	return nil, 0, errForged
}

// seal seals with a new nonce, which it puts in front.
func (s *sealer) seal(plain []byte, place ...string) []byte {
	nonce := newID()
	return append([]byte(nonce), s.sealAs(nonce, plain, place...)...)
}

func (s *sealer) open(sealed []byte, place ...string) ([]byte, error) {
	if len(sealed) < idSize {
		return nil, errForged
	}
	return s.openAs(string(sealed[:idSize]), sealed[idSize:], place...)
}

// bind encodes a place so that no two places have the same form.
func (s *sealer) bind(place []string) []byte {
	aad := binary.AppendUvarint(nil, uint64(len(s.incarnation)))
	aad = append(aad, s.incarnation...)
	for _, part := range place {
		aad = binary.AppendUvarint(aad, uint64(len(part)))
		aad = append(aad, part...)
	}
	return aad
}

// sealRecord seals a record for its key and number, which goes in front.
func (s *sealer) sealRecord(key recordKey, r record) []byte {
	plain := []byte{0}
	if r.value != nil {
		plain = append([]byte{1}, r.value...)
	}
	sealed := binary.BigEndian.AppendUint64(nil, r.number)
	return append(sealed, s.seal(plain, "record", key.field(), number(r.number))...)
}

// openRecord opens a record found under a key.
func (s *sealer) openRecord(key recordKey, sealed []byte) (record, error) {
	if len(sealed) < 8+idSize {
		return record{}, errForged
	}
	r := record{number: binary.BigEndian.Uint64(sealed)}
	nonce, sealed := string(sealed[8:8+idSize]), sealed[8+idSize:]
	plain, by, err := s.openBy(nonce, sealed, "record", key.field(), number(r.number))
	if err != nil || len(plain) == 0 {
		return record{}, errForged
	}
	r.old = by > 0
	if plain[0] == 1 {
		r.value = plain[1:]
	}
	return r, nil
}

// mark names something in the store without telling what it is.
func (s *sealer) mark(parts ...string) string {
	mac := hmac.New(sha256.New, s.marks)
	mac.Write(s.bind(parts))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// subject names a subject.
func (s *sealer) subject(about authz.Subject) string {
	return s.mark("subject", string([]byte{byte(about.Kind)}), about.Name, string(about.Server))
}

// newID returns a random id.
func newID() string {
	id := make([]byte, idSize)
	_, _ = rand.Read(id) // does not fail: it ends the program instead
	return string(id)
}

// newName returns a random id that can be read.
func newName() string { return hex.EncodeToString([]byte(newID())) }

// number encodes a position for bind.
func number(n uint64) string { return fmt.Sprintf("%016x", n) }
