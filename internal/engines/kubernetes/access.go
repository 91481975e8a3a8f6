package kubernetes

import (
	"fmt"
	"os"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// CAFile returns the path of the certificate that the API server is trusted by.
func (s *Server) CAFile() string { return s.path("ca.crt") }

// AdminConfig returns what client-go needs to do everything there is to do. It
// has no limit on calls.
func (s *Server) AdminConfig() (*rest.Config, error) {
	config := &rest.Config{Host: s.URL(), QPS: -1}
	for _, part := range []struct {
		name string
		into *[]byte
	}{
		{"ca.crt", &config.CAData}, {"admin.crt", &config.CertData}, {"admin.key", &config.KeyData},
	} {
		data, err := os.ReadFile(s.path(part.name))
		if err != nil {
			return nil, fmt.Errorf("kubernetes: %w", err)
		}
		*part.into = data
	}
	return config, nil
}

// Kubeconfig returns the admin's access as kubectl reads it, with all that it
// needs inside.
func (s *Server) Kubeconfig() ([]byte, error) {
	admin, err := s.AdminConfig()
	if err != nil {
		return nil, err
	}
	const name = "rollcall"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: s.URL(), CertificateAuthorityData: admin.CAData}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: admin.CertData, ClientKeyData: admin.KeyData}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	text, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	return text, nil
}
