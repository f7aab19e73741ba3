//! aws.greengrass.TokenExchangeService: the local credentials endpoint.
