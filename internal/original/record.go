package original

import (
	"encoding/json"
	"errors"
	"time"

	"authsome/internal/secret"
)

// document is the union of all records: see the models of the original,
// src/authsome/auth/models/connection.py.
type document struct {
	Schema     int    `json:"schema_version"`
	Provider   string `json:"provider"`
	Connection string `json:"connection_name"`
	Status     string `json:"status"`
	BaseURL    string `json:"base_url"`
	HostURL    hosts  `json:"host_url"`
	APIURL     hosts  `json:"api_url"` // what later versions call it

	Scopes       []string          `json:"scopes"`
	AccessToken  string            `json:"access_token"`
	RefreshToken string            `json:"refresh_token"`
	APIKey       string            `json:"api_key"`
	Cookies      map[string]string `json:"credentials"`
	ExpiresAt    string            `json:"expires_at"`
	ObtainedAt   string            `json:"obtained_at"`

	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	Default      string `json:"default_connection"`
}

// hosts is one host or a list of them.
type hosts []string

// UnmarshalJSON reads a string, a list or null.
func (h *hosts) UnmarshalJSON(data []byte) error {
	var one *string
	if json.Unmarshal(data, &one) == nil {
		if one != nil && *one != "" {
			*h = hosts{*one}
		}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(h))
}

// connection is a record of a connection.
func (d document) connection(profile, providerName string) (Connection, error) {
	c := Connection{
		Profile: profile, Provider: providerName, Name: d.Connection, Status: d.Status, BaseURL: d.BaseURL,
		Hosts: append(d.HostURL, d.APIURL...), Scopes: d.Scopes, AccessToken: secret.New(d.AccessToken),
		RefreshToken: secret.New(d.RefreshToken), APIKey: secret.New(d.APIKey), Cookies: len(d.Cookies) > 0,
	}
	var errExpiry, errObtained error
	c.ExpiresAt, errExpiry = parseTime(d.ExpiresAt)
	c.ObtainedAt, errObtained = parseTime(d.ObtainedAt)
	return c, errors.Join(errExpiry, errObtained)
}

// parseTime reads a time as Python writes it, "" as the zero time.
func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("a time is not in a known form")
}
