// Package pb is the wire format of the plugin contract, version 1: plugin.proto
// and the code generated from it. Only sdk/transport may use it; everybody else
// speaks package sdk. Start at plugin.proto.
package pb

//go:generate go run github.com/deconfound/deconfound/sdk/pb/generate ../../.. sdk/pb/v1/plugin.proto sdk/python/deconfound/plugin_pb2.py
